// Builds conditions with fields instead of JSON. The textarea stays what is sent, so the form works without this file.
(() => {
  const known = JSON.parse(document.getElementById("condition-attributes").textContent);
  const form = document.querySelector(".rc-entry-form");
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const select = (label, choices, value, change) => {
    const box = make("select", { onchange: () => change(box.value) });
    box.setAttribute("aria-label", label);
    for (const [key, text] of choices) box.append(make("option", { value: key, textContent: text, selected: key === value }));
    return box;
  };
  const button = (text, press) => make("button", { type: "button", className: "rc-button", textContent: text, onclick: press });
  const fresh = (of) => ({ attribute: Object.keys(known[of].attributes)[0], operator: null, value: null });
  const KINDS = [["all", "all of these"], ["any", "any of these"], ["not", "not this"], ["attribute", "an attribute"], ["segment", "a segment"]];
  const kindOf = (tree) => KINDS.map(([key]) => key).find((key) => key in tree);

  function asKind(kind, tree, of) {
    const parts = tree.all || tree.any || (tree.not ? [tree.not] : [tree]);
    if (kind === "all" || kind === "any") return { [kind]: parts };
    if (kind === "not") return { not: parts[0] };
    return kind === "segment" ? { segment: Object.keys(known[of].segments)[0] || "" } : fresh(of);
  }

  function leaf(tree, of, redraw) {
    const attribute = known[of].attributes[tree.attribute];
    if (!attribute.operators.includes(tree.operator)) tree.operator = attribute.operators[0];
    const many = attribute.kind === "set" || tree.operator === "in";
    if (attribute.kind === "flag" && typeof tree.value !== "boolean") tree.value = true;
    if (attribute.kind === "number" && typeof tree.value !== "number") tree.value = 0;
    if (many && !Array.isArray(tree.value)) tree.value = typeof tree.value === "string" && tree.value ? [tree.value] : [];
    if (attribute.kind === "choice" && !many && typeof tree.value !== "string") tree.value = attribute.choices[0] || "";
    const names = Object.entries(known[of].attributes).map(([key, one]) => [key, one.label]);
    const value = attribute.kind === "flag"
      ? select("Value", [["true", "yes"], ["false", "no"]], String(tree.value), (text) => { tree.value = text === "true"; redraw(); })
      : make("input", {
          value: many ? tree.value.join(", ") : tree.value,
          oninput: (event) => {
            const text = event.target.value;
            tree.value = many ? text.split(",").map((word) => word.trim()).filter(Boolean) : attribute.kind === "number" ? Number(text) : text;
            redraw(true);
          },
        });
    if (attribute.kind === "number") value.inputMode = "decimal";
    value.setAttribute("aria-label", many ? "Words, with commas" : "Value");
    if (attribute.choices.length) value.setAttribute("list", `choices-${of}-${tree.attribute}`);
    return [
      select("Attribute", names, tree.attribute, (key) => { tree.attribute = key; tree.operator = tree.value = null; redraw(); }),
      select("Operator", attribute.operators.map((key) => [key, known.words[key]]), tree.operator, (key) => { tree.operator = key; redraw(); }),
      value,
    ];
  }

  function node(tree, of, replace, redraw) {
    const kind = kindOf(tree);
    const row = make("div", { className: "node" }, select("Kind", KINDS, kind, (chosen) => replace(asKind(chosen, tree, of))));
    if (kind === "attribute") row.append(...leaf(tree, of, redraw));
    if (kind === "segment") row.append(select("Segment", Object.entries(known[of].segments), tree.segment, (key) => { tree.segment = key; redraw(); }));
    row.append(button("Remove", () => replace(null)));
    const parts = tree.all || tree.any || (tree.not ? [tree.not] : null);
    if (!parts) return row;
    const group = make("div", { className: "group" });
    parts.forEach((part, i) => group.append(node(part, of, (other) => {
      if (kind === "not") { if (other) tree.not = other; else return replace(null); }
      else if (other) parts[i] = other;
      else parts.splice(i, 1);
      if (!parts.length) return replace(null);
      redraw();
    }, redraw)));
    if (kind !== "not") group.append(button("Add another", () => { parts.push(fresh(of)); redraw(); }));
    return make("div", { className: "rc-stack" }, row, group);
  }

  function build(area) {
    const of = () => { const kind = form.querySelector('[name="of"]'); return area.name === "condition" && kind ? kind.value : area.dataset.of; };
    const read = () => { try { return area.value.trim() ? JSON.parse(area.value) : null; } catch { return undefined; } };
    let tree = read();
    if (tree === undefined) return;
    const box = make("div", { className: "rc-builder" });
    const said = make("div", { className: "rc-match" });
    said.setAttribute("aria-live", "polite");
    area.hidden = true;
    area.after(box);
    let asked;
    const redraw = (typing) => {
      area.value = tree ? JSON.stringify(tree) : "";
      if (!typing) {
        box.replaceChildren(tree ? node(tree, of(), (other) => { tree = other; redraw(); }, redraw) : make("p", { className: "rc-quiet", textContent: "Everybody." }));
        if (!tree) box.append(button("Add a condition", () => { tree = fresh(of()); redraw(); }));
        box.append(said);
        area.value = tree ? JSON.stringify(tree) : "";
      }
      clearTimeout(asked);
      asked = setTimeout(() => count(said, tree, of()), 300);
    };
    form.querySelectorAll('[name="of"]').forEach((kind) => kind.addEventListener("change", () => { tree = null; redraw(); }));
    redraw();
  }

  for (const [of, { attributes = {} }] of Object.entries(known)) {
    for (const [name, attribute] of Object.entries(attributes)) {
      if (!attribute.choices.length) continue;
      const words = attribute.choices.map((word) => make("option", { value: word }));
      form.append(make("datalist", { id: `choices-${of}-${name}` }, ...words));
    }
  }

  async function count(said, tree, of) {
    if (!tree) return said.replaceChildren();
    const answer = await fetch(form.dataset.match, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
      body: JSON.stringify({ condition: tree, of, surface: form.dataset.surface, draft: Number(form.dataset.draft) }),
    });
    const found = await answer.json();
    if (found.error) return said.replaceChildren(make("span", { className: "rc-refusal", textContent: found.error }));
    if (found.matched === null) return said.replaceChildren("There is no snapshot to count on yet.");
    const share = found.of ? ` (${((100 * found.matched) / found.of).toFixed(1)}%)` : "";
    said.replaceChildren(make("strong", { textContent: `${found.matched.toLocaleString()} of ${found.of.toLocaleString()}${share}` }),
      ...found.examples.map((one) => make("span", { className: "rc-mark", textContent: one })));
    if (found.matched === 0) said.append(make("span", { className: "rc-refusal", textContent: "Nobody: it would do nothing." }));
  }

  document.querySelectorAll("[data-condition]").forEach(build);
  const type = form.querySelector('[name="type"]');
  const way = form.querySelector('[name="way"]');
  // Only the fields of what was chosen: those of the type, and of a boost or bury the one that says how.
  const show = () => {
    const byWay = ["boost", "bury"].includes(type.value);
    way.querySelector('[value="slots"]').disabled = type.value === "bury";
    if (way.selectedOptions[0].disabled) way.value = "factor";
    form.querySelectorAll("[data-shown-for]").forEach((field) => {
      const fits = field.dataset.shownFor.split(" ").includes(type.value);
      const said = field.querySelector('[name^="effect."]');
      const otherWay = byWay && said && said.name !== `effect.${way.value}`;
      field.hidden = !fits || Boolean(otherWay);
    });
  };
  if (way) { type.addEventListener("change", show); way.addEventListener("change", show); show(); }
})();
