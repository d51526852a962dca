// Rows that are added and removed in place. Without this file the same buttons ask the server for them.
(() => {
  const form = document.querySelector(".rc-entry-form");
  const known = JSON.parse(document.getElementById("knobs-to-pick").textContent);
  const surface = form.querySelector('[name="surface"]');
  const picks = () => known[surface ? surface.value : ""] || Object.values(known)[0];
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  let count = 100; // above any number that the server gave

  function describe(select) {
    const row = select.closest("[data-row]");
    const knob = picks().find((one) => one.key === select.value);
    row.querySelector("[data-hint]").textContent = knob ? knob.hint : "";
    row.querySelector("datalist").replaceChildren(...(knob ? knob.choices : []).map((value) => make("option", { value })));
  }

  function offer(select) {
    const groups = new Map();
    for (const one of picks()) {
      if (!groups.has(one.group)) groups.set(one.group, make("optgroup", { label: one.group }));
      groups.get(one.group).append(make("option", { value: one.key, textContent: one.label, selected: one.key === select.value }));
    }
    const chosen = select.value;
    if (chosen && !picks().some((one) => one.key === chosen)) {
      groups.set("", make("optgroup", { label: "Not offered on this surface" }));
      groups.get("").append(make("option", { value: chosen, textContent: chosen, selected: true }));
    }
    select.replaceChildren(make("option", { value: "", textContent: "Pick one" }), ...groups.values());
    describe(select);
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add], [data-remove]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.add) {
      const template = button.closest("[data-rows]").querySelector(":scope > template");
      const holder = make("template", { innerHTML: template.innerHTML.replaceAll(button.dataset.add, String((count += 1))) });
      const row = holder.content.firstElementChild;
      button.parentElement.before(row);
      row.querySelectorAll("[data-knob]").forEach(offer);
      row.querySelector("select, input").focus();
    } else {
      const rows = button.closest("[data-rows]");
      button.closest("[data-row]").remove();
      rows.querySelector(":scope > div > [data-add]").focus();
    }
  });
  form.addEventListener("change", (event) => {
    if (event.target === surface) form.querySelectorAll("[data-knob]").forEach(offer);
    else if (event.target.matches("[data-knob]")) describe(event.target);
  });
})();
