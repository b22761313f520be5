"use strict";
// Sorts and filters the table of candidates, and keeps in the address how. Text is only ever read from the page and
// compared, never made into markup. Of a long table the first lines alone are laid out: of the others the browser knows
// nothing but that they are there.
const FIRST = 200;
const page = document.documentElement;
page.classList.add("loading"); // before there is a table: its rest is never laid out at all

addEventListener("DOMContentLoaded", () => {
  page.classList.remove("loading"); // nothing is laid out before this function has ended
  const table = document.getElementById("heat");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const columns = new Map(heads.map((head, index) => [head.dataset.column, index]));
  const rows = [...body.rows]; // as they are ranked
  const collator = new Intl.Collator(undefined, { numeric: true });
  const controls = ["name", "item", "status", "note"].map(id => document.getElementById(id));
  const [name, item, status, note] = controls;
  const anchors = heads.flatMap((head, column) => (head.dataset.anchor ? [[column, head.dataset.anchor]] : []));
  const said = new Map([...status.options].filter(option => option.value).map(option => [option.value, option.text]));
  const initial = "-score";
  const texts = ["candidate", "last"]; // the columns that are no numbers
  let order = initial;
  let matching = rows;

  const numeric = text => Number(/[-+]?\d+(\.\d+)?/.exec(text.replace("−", "-"))?.[0] ?? -Infinity);

  const sorted = found => {
    const [column, down] = order.startsWith("-") ? [order.slice(1), -1] : [order, 1];
    if (order === initial) return found;
    const at = columns.get(column);
    const isText = texts.includes(column);
    const keyed = found.map(row => [isText ? row.cells[at].textContent : numeric(row.cells[at].textContent), row]);
    const compared = isText ? collator.compare : (one, other) => (one < other ? -1 : one > other ? 1 : 0);
    return keyed.sort(([one], [other]) => down * compared(one, other)).map(([, row]) => row);
  };

  const fits = row => {
    if (note.value && !(row.dataset.notes ?? "").split(" ").includes(note.value)) return false;
    if (!row.cells[0].textContent.toLocaleLowerCase().includes(name.value.trim().toLocaleLowerCase())) return false;
    if (!status.value) return true;
    const cells = item.value ? [row.cells[columns.get(item.value)]] : [...row.cells];
    return cells.some(cell => cell.className === status.value);
  };

  // What a line gets when it is looked at: from each cell a way to its place in the report, said in words.
  const link = row => {
    const report = row.cells[0].querySelector(":scope > a")?.getAttribute("href");
    if (!report || row.dataset.linked) return;
    row.dataset.linked = "yes";
    for (const [column, anchor] of anchors) {
      const cell = row.cells[column];
      const word = said.get(cell.className);
      if (!word) continue;
      const way = document.createElement("a");
      way.href = `${report}#${anchor}`;
      way.setAttribute("aria-label", `${word}${cell.textContent.slice(1)}`);
      way.append(...cell.childNodes);
      cell.append(way);
    }
  };

  const show = most => {
    const these = matching.slice(0, most);
    these.forEach(link);
    body.replaceChildren(...these);
    const shown = Math.min(most, matching.length);
    document.getElementById("more").hidden = shown === matching.length;
    const rest = shown < matching.length ? `, the first ${shown} of them are here` : "";
    document.getElementById("shown").textContent = `${matching.length} of ${rows.length} shown${rest}`;
  };

  const update = () => {
    heads.forEach(head => head.removeAttribute("aria-sort"));
    heads[columns.get(order.replace("-", ""))].setAttribute("aria-sort", order[0] === "-" ? "descending" : "ascending");
    matching = sorted(rows.filter(fits));
    show(FIRST);
  };

  const keep = () => {
    const state = new URLSearchParams();
    if (order !== initial) state.set("sort", order);
    for (const control of controls) if (control.value) state.set(control.id, control.value);
    history.replaceState(null, "", `#${state}`);
  };

  const decoded = text => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // it was typed
    }
  };

  const restore = () => {
    const hash = decoded(location.hash.slice(1));
    const place = rows.findIndex(row => row.id === hash);
    if (hash && place < 0 && document.getElementById(hash)) {
      update();
      return; // it leads to another part of this page
    }
    const state = new URLSearchParams(place < 0 ? location.hash.slice(1) : "");
    const asked = state.get("sort") ?? initial;
    order = columns.has(asked.replace("-", "")) ? asked : initial;
    for (const control of controls) {
      control.value = state.get(control.id) ?? "";
      if (control.selectedIndex === -1) control.value = ""; // an address of another cohort's page
    }
    update();
    rows.forEach(row => row.classList.toggle("sought", row.id === hash));
    if (place < 0) return;
    show(Math.max(FIRST, place + 1));
    rows[place].scrollIntoView({ block: "center" });
  };

  heads.forEach(head => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const column = head.dataset.column;
      const [usual, other] = texts.includes(column) ? [column, `-${column}`] : [`-${column}`, column];
      order = order === usual ? other : usual;
      update();
      keep();
    });
    head.append(button);
  });
  const filters = document.getElementById("filters");
  filters.hidden = false;
  filters.addEventListener("input", () => { update(); keep(); });
  filters.addEventListener("submit", event => event.preventDefault());
  document.getElementById("all").addEventListener("click", () => show(Infinity));
  addEventListener("hashchange", restore);
  addEventListener("beforeprint", () => show(Infinity));
  addEventListener("afterprint", () => show(FIRST));
  restore();
});
