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
// Times are sent in UTC; people read them in their own time zone, with UTC in the hint.
document.addEventListener("DOMContentLoaded", () => {
  const form = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  document.querySelectorAll("time[datetime]").forEach((time) => {
    time.title = time.textContent;
    time.textContent = form.format(new Date(time.dateTime));
  });
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
