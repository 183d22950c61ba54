// Every table of the page can be sorted by a click on a column's head: once, the other way round, as it was.
// Numbers count as numbers, whatever signs and units stand around them; what has no value goes last either way.
"use strict";
(() => {
  const words = new Intl.Collator("en", { numeric: true });

  function valueOf(cell) {
    const text = (cell?.querySelector("bdi") ?? cell)?.textContent.trim() ?? "";
    const found = text.replace(/−/g, "-").match(/^\+?(-?)(?:(\d[\d,]*\.?\d*(?:e-?\d+)?)|(∞))/);
    const number = found ? Number(found[1] + (found[3] ? "Infinity" : found[2].replace(/,/g, ""))) : NaN;
    return { text, number, empty: text === "" || text === "–" };
  }

  function compare(numeric, sign) {
    return (one, other) => {
      const [a, b] = [one.value, other.value];
      if (a.empty || b.empty) return a.empty - b.empty;
      if (numeric) return a.number === b.number ? 0 : sign * (a.number < b.number ? -1 : 1);
      return sign * words.compare(a.text, b.text);
    };
  }

  function sort(table, heads, column, original) {
    const head = heads[column];
    const keyed = original.map((row) => ({ row, value: valueOf(row.cells[column]) }));
    const filled = keyed.filter(({ value }) => !value.empty);
    const numeric = filled.length > 0 && filled.every(({ value }) => !Number.isNaN(value.number));
    const turns = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
    const next = turns[(turns.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", next);
    if (next !== "none") keyed.sort(compare(numeric, next === "ascending" ? 1 : -1));
    table.tBodies[0].append(...keyed.map(({ row }) => row));
  }

  for (const table of document.querySelectorAll("main table")) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    const original = [...table.tBodies[0].rows];
    if (original.length < 2) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, heads, column, original));
      head.append(button);
      head.setAttribute("aria-sort", "none");
    });
  }
})();
