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
