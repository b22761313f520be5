"use strict";
// Sorts and filters the table of candidates. Text is only ever read from the page and compared, never made into markup.
const table = document.getElementById("heat");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const rows = [...body.rows];
const byId = id => document.getElementById(id);

const value = (row, column) => {
  const { number, value = "" } = row.cells[column].dataset;
  return number === undefined ? value : Number(number);
};

const compared = (one, other) =>
  typeof one === "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });

const sort = column => {
  const ascending = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach(head => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  rows.sort((one, other) => compared(value(one, column), value(other, column)) * (ascending ? 1 : -1));
  body.append(...rows);
};

const filter = () => {
  const name = byId("name").value.trim().toLocaleLowerCase();
  const item = byId("item").value;
  const status = byId("status").value;
  let shown = 0;
  for (const row of rows) {
    const cells = [...row.cells].slice(2, -1);
    const asked = item === "" ? cells : [cells[Number(item)]];
    const named = row.cells[0].dataset.value.toLocaleLowerCase().includes(name);
    row.hidden = !(named && (status === "" || asked.some(cell => cell.dataset.status === status)));
    shown += row.hidden ? 0 : 1;
  }
  byId("shown").textContent = `${shown} of ${rows.length} shown`;
};

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sort(column));
  head.append(button);
});
const filters = byId("filters");
filters.hidden = false;
filters.addEventListener("input", filter);
filters.addEventListener("submit", event => event.preventDefault());
filter();
