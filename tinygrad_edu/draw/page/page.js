
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const record = JSON.parse(find("record").textContent);
  const words = find("words").dataset;
  const picture = document.querySelector(".picture");
  const drawing = picture.querySelector("svg");
  const last = record.steps.length - 1;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let at = -1;
  let timer = 0;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // Steps: everything that is shown stands in the record.

  const go = (wanted) => {
    const target = Math.max(0, Math.min(last, wanted));
    if (target === at) return;
    at = target;
    const step = record.steps[at];
    find("where").textContent = step.where;
    find("said").textContent = step.said;
    find("parts").replaceChildren(...step.parts.map(part));
    find("scrub").value = at;
    find("scrub").setAttribute("aria-valuetext", step.where);
    for (const [id, since] of Object.entries(record.known)) {
      find(id).classList.toggle("known", at >= since);
      find(id).classList.toggle("waiting", at < since);
      find(id).classList.toggle("here", id === step.node || id === step.edge);
      find(id).classList.toggle("there", id === step.target);
    }
    for (const [id, since] of Object.entries(record.complete)) {
      find(id).classList.toggle("complete", at >= since);
    }
    document.querySelector(".step").scrollTop = 0;
    show(step.edge || step.node);
  };

  const part = ({ label, math, row, notes, verdict, code }) => {
    const element = make("section", "part");
    element.append(make("h3", "", label));
    if (row) {
      const arrays = row.some((item) => item.array !== undefined);
      const line = make("div", arrays ? "row arrays" : "row");
      const readout = make("output", "readout");
      line.append(
        ...row.map((item) => (item.text ? quantity(item, readout) : make("span", "", item))),
      );
      element.append(line, ...(arrays ? [readout] : []));
    }
    if (math) element.append(make("p", "math", math));
    for (const [i, note] of (notes || []).entries()) {
      element.append(make("p", i ? "note" : `note ${verdict}`, note));
    }
    if (code) element.append(make("pre", "", code));
    return element;
  };

  const quantity = (item, readout) => {
    const figure = make("figure");
    if (item.name) figure.append(make("figcaption", "", item.name));
    if (item.array === undefined) {
      const number = make("data", "number", item.text);
      if (item.exact) number.value = number.title = item.exact;
      figure.append(number);
    } else {
      figure.append(...heatmap(record.arrays[item.array], item, readout));
    }
    return figure;
  };

  const heatmap = (array, item, readout) => {
    const small = array.columns.length > 6;
    const frame = make("div", "heat");
    const table = make("table", small ? "small" : "");
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", `${words.array} ${item.name} ${array.shape}. ${words.digits}`);
    let chosen;
    const read = (cell) => {
      if (!cell) return;
      if (chosen) chosen.classList.remove("read");
      chosen = cell;
      cell.classList.add("read");
      readout.textContent = `${item.name} ${cell.title}`;
    };
    array.cells.forEach((cells, row) => {
      const line = table.insertRow();
      cells.forEach(([text, exact, level], column) => {
        const cell = line.insertCell();
        const index = [array.rows[row], array.columns[column]].filter((i) => i !== "").join(", ");
        cell.title = `[${index}] = ${exact}`;
        cell.append(make("span", small ? "unseen" : "", text));
        cell.className = level === null ? "odd" : level > 0 ? "more" : level < 0 ? "less" : "";
        cell.style.setProperty("--level", Math.abs(level));
      });
    });
    frame.addEventListener("pointerover", (event) => read(event.target.closest("td")));
    frame.addEventListener("click", (event) => read(event.target.closest("td")));
    frame.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      const [down, right] = move[event.key] || [];
      if (down === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const line = chosen ? chosen.parentElement.rowIndex + down : 0;
      const column = chosen ? chosen.cellIndex + right : 0;
      read(table.rows[line] && table.rows[line].cells[column]);
    });
    frame.append(table);
    const notes = [item.text, ...array.notes].map((note) => make("figcaption", "", note));
    return array.cells.length ? [frame, ...notes] : notes;
  };

  // The graph: what this step is about is brought into view.

  const show = (id) => {
    const element = find(id).getBoundingClientRect();
    const frame = picture.getBoundingClientRect();
    picture.scrollBy({
      left: element.left + element.width / 2 - frame.left - frame.width / 2,
      top: element.top + element.height / 2 - frame.top - frame.height / 2,
      behavior: still.matches ? "instant" : "smooth",
    });
  };

  const resize = () => {
    if (!drawing) return;
    const { width, height } = drawing.viewBox.baseVal;
    const style = getComputedStyle(picture);
    const across = picture.clientWidth - parseFloat(style.paddingLeft) * 2;
    const down = picture.clientHeight - parseFloat(style.paddingTop) * 2;
    const fitting = Math.min(across / width, down / height, 1.6);
    const scale = find("whole").checked ? fitting : Math.max(fitting, 1.1);
    drawing.setAttribute("width", width * scale);
    drawing.setAttribute("height", height * scale);
    if (at >= 0) show(record.steps[at].edge || record.steps[at].node);
  };

  // Playing.

  const pause = () => {
    clearTimeout(timer);
    timer = 0;
    mark();
  };

  const tick = () => {
    if (at === last) return pause();
    timer = setTimeout(() => { go(at + 1); tick(); }, Number(find("speed").value));
    return mark();
  };

  const play = () => {
    if (timer) return pause();
    if (at === last) go(0);
    return tick();
  };

  const mark = () => {
    document.body.classList.toggle("playing", timer !== 0);
    const { play: start, pause: stop } = find("play").dataset;
    find("play").querySelector("span").textContent = timer ? stop : start;
  };

  const jump = (wanted) => {
    pause();
    go(wanted);
  };

  const keys = {
    ArrowRight: () => jump(at + 1),
    ArrowLeft: () => jump(at - 1),
    Home: () => jump(0),
    End: () => jump(last),
    " ": play,
  };
  document.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (event.ctrlKey || event.altKey || event.metaKey || !(event.key in keys)) return;
    // These have a use for the keys themselves.
    if (tag === "SELECT" || (tag === "INPUT" && event.key !== " ")) return;
    if (event.key === " " && (tag === "BUTTON" || event.target.type === "checkbox")) return;
    event.preventDefault();
    keys[event.key]();
  });
  find("first").addEventListener("click", () => jump(0));
  find("back").addEventListener("click", () => jump(at - 1));
  find("play").addEventListener("click", play);
  find("forth").addEventListener("click", () => jump(at + 1));
  find("final").addEventListener("click", () => jump(last));
  find("scrub").addEventListener("input", () => jump(Number(find("scrub").value)));
  find("whole").addEventListener("change", resize);
  picture.addEventListener("click", (event) => {
    const node = event.target.closest(".node");
    if (!node || !(node.id in record.known)) return;
    jump(at >= record.complete[node.id] ? record.complete[node.id] : record.known[node.id]);
  });
  addEventListener("resize", resize);
  find("legend").open = matchMedia("(min-width: 641px) and (min-height: 700px)").matches;
  mark();
  resize();
  go(0);
})();
