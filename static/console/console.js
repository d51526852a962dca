// A slider mirrors the number beside it; the number is what is sent, so the form works without this file.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.dataset || !field.dataset.twin) return;
  const twin = document.getElementById(field.dataset.twin);
  if (twin) twin.value = field.value;
  const number = field.type === "range" ? twin : field;
  const knob = field.closest(".rc-knob");
  if (knob && number) knob.classList.toggle("changed", Number(number.value) !== Number(number.dataset.live));
  document.querySelectorAll("[data-unsaved]").forEach((note) => (note.hidden = false));
});
// Escape closes an open confirmation and gives the focus back.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && event.target.closest("details.rc-confirm[open]");
  if (open) { open.open = false; open.querySelector("summary").focus(); }
});
// The browser names its time zone; the server writes and reads times in it. A page that was drawn in another one is
// asked for again, unless it answers a form: what was typed stays.
document.addEventListener("DOMContentLoaded", () => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const kept = `zone=${zone}`;
  if (!zone || document.cookie.split("; ").includes(kept)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${kept}; Path=/admin/; Max-Age=31536000; SameSite=Lax${secure}`;
  const drawn = document.querySelector("[data-zone]");
  const is_kept = document.cookie.split("; ").includes(kept);
  if (is_kept && drawn && drawn.dataset.zone !== zone && drawn.dataset.method === "GET") location.reload();
});
// A study's progress, until it ends: then the page shows its result.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("[data-progress]");
  if (!box) return;
  const look = async () => {
    const found = await (await fetch(box.dataset.progress)).json();
    if (!["waiting", "running"].includes(found.status)) return location.reload();
    const bar = box.querySelector("progress");
    bar.max = found.sample; bar.value = found.done;
    box.querySelector("[data-done]").textContent = found.done;
    setTimeout(look, 1000);
  };
  setTimeout(look, 1000);
});
