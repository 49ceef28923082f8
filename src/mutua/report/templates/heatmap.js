// Interactive heatmaps: pixels on a canvas, axes and marks in an SVG over it.
// All text goes in as text nodes, never as HTML.
(() => {
  "use strict";

  const MARGIN = { left: 62, right: 8, top: 6, bottom: 46 };
  const MASKED = [224, 224, 224];
  const VEIL = 0.85;
  const DECADES = 1e-6; // log colours reach at most this far below the largest value

  const number = (value, digits = 4) => {
    if (value === null || Number.isNaN(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const text = size >= 1e6 || size < 1e-4 ? value.toExponential(digits - 2) : `${Number(value.toPrecision(digits))}`;
    return text.replace(".0e", "e").replaceAll("-", "−");
  };
  const place = (value) => `${value}`.replace("-", "−");

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // -- data ------------------------------------------------------------------------------------

  const inflate = async (text) => {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  const decode = async (map, rows, columns) => {
    const full = new Float64Array(rows * columns);
    if (map.part === "constant") return full.fill(map.value === null ? NaN : map.value);
    const planes = await inflate(map.data);
    const count = planes.length / map.size;
    const bytes = new Uint8Array(planes.length);
    for (let b = 0; b < map.size; b++)
      for (let i = 0; i < count; i++) bytes[i * map.size + b] = planes[b * count + i];
    const values = map.size === 4 ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
    if (map.part === "all") {
      full.set(values);
      return full;
    }
    let next = 0;
    for (let i = 0; i < rows; i++)
      for (let j = i; j < columns; j++) {
        full[i * columns + j] = values[next];
        full[j * columns + i] = values[next++];
      }
    return full;
  };

  const colours = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));

  // Limits of the colours: those of mutua.pl.position_mi.
  const limits = (values, scale, sequential) => {
    let low = Infinity, high = -Infinity, positive = Infinity;
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
      if (value > 0 && value < positive) positive = value;
    }
    if (high === -Infinity) [low, high] = [0, 1];
    if (scale === "log" && high > 0) {
      const first = Math.max(positive, high * DECADES);
      return { palette: sequential, log: true, low: first, high: Math.max(high, first * 1.0001) };
    }
    if (low < -1e-12) {
      const most = Math.max(-low, high);
      return { palette: "diverging", log: false, low: -most, high: most };
    }
    return { palette: sequential, log: false, low: 0, high: high > 0 ? high : 1e-12 };
  };

  const fraction = (value, range) => {
    const part = range.log
      ? Math.log(Math.max(value, range.low) / range.low) / Math.log(range.high / range.low)
      : (value - range.low) / (range.high - range.low);
    return Math.min(1, Math.max(0, part));
  };

  const niceStep = (least) => {
    const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least - 1e-9);
  };

  // Indexes to write on an axis: round coordinates where they are evenly spaced.
  const tickIndexes = (values, length, room) => {
    const all = values.map((_, index) => index);
    const step = values.length > 1 ? values[1] - values[0] : 1;
    const even = values.every((value, i) => i === 0 || value - values[i - 1] === step);
    const most = Math.max(1, Math.floor(length / room));
    if (even && step !== 0) {
      const wanted = niceStep((values.length * Math.abs(step)) / most);
      const round = all.filter((i) => values[i] % wanted === 0);
      if (round.length > 1 || values.length === 1) return round.length ? round : all;
    }
    const every = Math.max(1, Math.ceil(values.length / most));
    return all.filter((i) => i % every === 0);
  };

  const barTicks = (range) => {
    if (!range.log) return [0, 0.25, 0.5, 0.75, 1].map((t) => [t, range.low + t * (range.high - range.low)]);
    const ticks = [[0, range.low]];
    const first = Math.ceil(Math.log10(range.low)), last = Math.floor(Math.log10(range.high));
    for (let power = first; power <= last; power++) {
      const t = fraction(10 ** power, range);
      if (t > ticks[ticks.length - 1][0] + 0.18 && t < 0.82) ticks.push([t, 10 ** power]);
    }
    return [...ticks, [1, range.high]];
  };

  // -- one heatmap -----------------------------------------------------------------------------

  class Heatmap {
    constructor(root, data, values, palettes) {
      Object.assign(this, { root, data, values, palettes, cursor: null, pinned: null });
      this.rows = data.rows.values.length;
      this.columns = data.columns.values.length;
      for (const name of ["plot", "cells", "axes", "tip", "spoken", "pair", "variable", "level"])
        this[name] = root.querySelector(`.${name}`);
      this.plotColumn = root.querySelector(".plot-column");
      this.shown = data.maps.find((map) => map.coloured);
      this.scale = "linear";
      this.listen();
      this.layout();
      this.paint();
    }

    listen() {
      this.variable?.addEventListener("change", () => {
        this.shown = this.data.maps.find((map) => map.name === this.variable.value);
        this.paint();
      });
      this.level?.addEventListener("change", () => this.paint());
      for (const radio of this.root.querySelectorAll("input[type=radio]"))
        radio.addEventListener("change", () => {
          this.scale = radio.value;
          this.paint();
        });
      this.plot.addEventListener("pointermove", (event) => {
        if (event.pointerType !== "touch") this.point(this.pixelAt(event));
      });
      this.plot.addEventListener("pointerleave", () => this.point(null));
      this.plot.addEventListener("click", (event) => {
        const pixel = this.pixelAt(event);
        if (pixel) this.pin(pixel);
      });
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.plot.addEventListener("blur", () => this.point(null));
      for (const button of this.root.querySelectorAll("[data-pair]"))
        button.addEventListener("click", () => this.pin(button.dataset.pair.split(",").map(Number)));
      let width = this.plotColumn.clientWidth;
      new ResizeObserver(() => {
        if (this.plotColumn.clientWidth === width) return;
        width = this.plotColumn.clientWidth;
        this.layout();
      }).observe(this.plotColumn);
    }

    value(name, [i, j]) {
      return this.values[name][i * this.columns + j];
    }

    // -- drawing -------------------------------------------------------------------------------

    layout() {
      const width = this.plotColumn.clientWidth;
      const left = width < 480 ? 46 : MARGIN.left;
      const inner = Math.max(60, width - left - MARGIN.right);
      const height = Math.round(Math.min(1.4, this.rows / this.columns) * inner);
      this.box = { left, top: MARGIN.top, width: inner, height };
      const { style } = this.cells;
      [style.left, style.top] = [`${left}px`, `${MARGIN.top}px`];
      [style.width, style.height] = [`${inner}px`, `${height}px`];
      const total = height + MARGIN.top + MARGIN.bottom;
      this.plot.style.height = `${total}px`;
      this.axes.setAttribute("width", width);
      this.axes.setAttribute("height", total);
      this.drawAxes(total);
      this.marks();
    }

    svg(name, attributes, text) {
      const made = document.createElementNS(this.axes.namespaceURI, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (text !== undefined) made.append(text);
      return made;
    }

    drawAxes(total) {
      const { left, top, width, height } = this.box;
      const parts = [this.svg("rect", { class: "frame", x: left, y: top, width, height })];
      for (const i of tickIndexes(this.data.columns.values, width, 48)) {
        const x = left + ((i + 0.5) / this.columns) * width;
        parts.push(this.svg("line", { class: "tick", x1: x, x2: x, y1: top + height, y2: top + height + 4 }));
        parts.push(this.svg("text", { x, y: top + height + 16, "text-anchor": "middle" }, place(this.data.columns.values[i])));
      }
      for (const i of tickIndexes(this.data.rows.values, height, 36)) {
        const y = top + ((i + 0.5) / this.rows) * height;
        parts.push(this.svg("line", { class: "tick", x1: left - 4, x2: left, y1: y, y2: y }));
        parts.push(this.svg("text", { x: left - 7, y: y + 4, "text-anchor": "end" }, place(this.data.rows.values[i])));
      }
      const fit = (text, room) => (text.length * 6.3 > room ? `${text.slice(0, Math.floor(room / 6.3))}…` : text);
      const middle = top + height / 2;
      parts.push(this.svg("text", { class: "axis-title", x: left + width / 2, y: total - 10, "text-anchor": "middle" },
        fit(this.data.columns.label, width)));
      parts.push(this.svg("text", { class: "axis-title", "text-anchor": "middle",
        transform: `translate(12 ${middle}) rotate(-90)` }, fit(this.data.rows.label, height)));
      this.overlay = this.svg("g", {});
      this.axes.replaceChildren(...parts, this.overlay);
    }

    paint() {
      const values = this.values[this.shown.name];
      const range = limits(values, this.scale, this.data.colours);
      const palette = this.palettes[range.palette];
      const [test, level] = (this.level?.value || "").split(" ");
      const tests = test ? this.values[test] : null;
      this.cells.width = this.columns;
      this.cells.height = this.rows;
      const image = new ImageData(this.columns, this.rows);
      for (let at = 0; at < values.length; at++) {
        const value = values[at];
        const known = !Number.isNaN(value);
        const from = known ? 3 * Math.min(255, Math.floor(fraction(value, range) * 256)) : 0;
        const veiled = known && tests && !(tests[at] <= Number(level));
        for (let channel = 0; channel < 3; channel++) {
          const pure = known ? palette[from + channel] : MASKED[channel];
          image.data[4 * at + channel] = veiled ? pure + (255 - pure) * VEIL : pure;
        }
        image.data[4 * at + 3] = 255;
      }
      this.cells.getContext("2d").putImageData(image, 0, 0);
      this.cells.setAttribute("aria-label", `${this.shown.label} for every two positions`);
      this.paintBar(range, palette);
    }

    paintBar(range, palette) {
      const bar = this.root.querySelector(".bar");
      const image = new ImageData(256, 1);
      for (let i = 0; i < 256; i++) image.data.set([...palette.subarray(3 * i, 3 * i + 3), 255], 4 * i);
      bar.querySelector("canvas").getContext("2d").putImageData(image, 0, 0);
      bar.querySelector(".bar-ticks").replaceChildren(
        ...barTicks(range).map(([t, value]) => {
          const label = element("span", {}, number(value, 3));
          label.style.left = `${100 * t}%`;
          return label;
        }),
      );
      bar.querySelector(".bar-label").textContent = this.shown.label + (range.log ? ", log colours" : "");
    }

    marks() {
      const parts = [];
      const { left, top, width, height } = this.box;
      const [w, h] = [width / this.columns, height / this.rows];
      const frame = (kind, [i, j]) => {
        const size = { x: left + j * w - 1, y: top + i * h - 1, width: w + 2, height: h + 2 };
        parts.push(this.svg("rect", { class: `${kind} halo`, ...size }), this.svg("rect", { class: kind, ...size }));
      };
      if (this.pinned) frame("pinned", this.pinned);
      if (this.cursor) {
        const x = left + (this.cursor[1] + 0.5) * w, y = top + (this.cursor[0] + 0.5) * h;
        for (const kind of ["cross dark", "cross"]) {
          const shift = kind === "cross" ? 0 : 1;
          parts.push(this.svg("line", { class: kind, x1: left, x2: left + width, y1: y + shift, y2: y + shift }));
          parts.push(this.svg("line", { class: kind, x1: x + shift, x2: x + shift, y1: top, y2: top + height }));
        }
        frame("cursor", this.cursor);
      }
      this.overlay.replaceChildren(...parts);
    }

    // -- pointing ------------------------------------------------------------------------------

    pixelAt(event) {
      const area = this.cells.getBoundingClientRect();
      const j = Math.floor(((event.clientX - area.left) / area.width) * this.columns);
      const i = Math.floor(((event.clientY - area.top) / area.height) * this.rows);
      return i >= 0 && j >= 0 && i < this.rows && j < this.columns ? [i, j] : null;
    }

    nothingThere([i, j]) {
      return Math.abs(i - j) < this.data.step && this.data.explained ? "the k-mers overlap" : "no value";
    }

    readings(pixel) {
      if (Number.isNaN(this.value(this.shown.name, pixel))) return [[this.nothingThere(pixel), ""]];
      const first = [this.shown, ...this.data.maps.filter((map) => map !== this.shown)];
      return first
        .map((map) => [map.label, this.value(map.name, pixel)])
        .filter(([, value]) => !Number.isNaN(value))
        .map(([label, value]) => [label, number(value)]);
    }

    heading([i, j]) {
      return `${place(this.data.rows.values[i])} and ${place(this.data.columns.values[j])}`;
    }

    point(pixel) {
      this.cursor = pixel;
      this.marks();
      this.tip.hidden = !pixel;
      if (!pixel) return;
      const lines = this.readings(pixel).map(([label, value]) =>
        element("span", {}, element("em", {}, label), value));
      this.tip.replaceChildren(element("b", {}, this.heading(pixel)), ...lines);
      const { left, top, width, height } = this.box;
      const x = left + ((pixel[1] + 1) / this.columns) * width + 10;
      const y = top + ((pixel[0] + 1) / this.rows) * height + 10;
      const space = this.plot.clientWidth;
      const tip = this.tip.getBoundingClientRect();
      const beyond = x + tip.width > space;
      this.tip.style.left = `${Math.max(0, beyond ? x - tip.width - width / this.columns - 20 : x)}px`;
      this.tip.style.top = `${y + tip.height > top + height ? Math.max(0, y - tip.height - height / this.rows - 20) : y}px`;
    }

    // The largest value; of distances the smallest one between residues that are no neighbours.
    strongest() {
      const values = this.values[this.shown.name];
      const near = this.data.colours === "near";
      let best = null, most = -Infinity;
      for (let i = 0; i < this.rows; i++)
        for (let j = near ? i + 4 : 0; j < this.columns; j++) {
          const value = values[i * this.columns + j] * (near ? -1 : 1);
          if (value > most) [best, most] = [[i, j], value];
        }
      return best || [0, 0];
    }

    key(event) {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (moves[event.key]) {
        const from = this.cursor || this.pinned;
        const far = event.shiftKey ? 10 : 1;
        const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
        const [down, right] = moves[event.key];
        this.point(from ? [clamp(from[0] + far * down, this.rows), clamp(from[1] + far * right, this.columns)] : this.strongest());
      } else if (event.key === "Home") this.point(this.strongest());
      else if (event.key === "Enter" || event.key === " ") {
        this.pin(this.cursor || this.pinned || this.strongest());
      } else if (event.key === "Escape") {
        this.pinned = null;
        this.point(null);
      } else return;
      event.preventDefault();
      if (this.cursor)
        this.spoken.textContent = [this.heading(this.cursor), ...this.readings(this.cursor).flat()].join(", ");
    }

    // -- one pair ------------------------------------------------------------------------------

    pin(pixel) {
      this.pinned = pixel;
      this.marks();
      const parts = [element("h3", {}, `Positions ${this.heading(pixel)}`)];
      const readings = this.readings(pixel);
      parts.push(element("dl", { class: "values" }, ...readings.map(([label, value]) =>
        element("div", {}, element("dt", {}, label), element("dd", {}, value)))));
      const known = !Number.isNaN(this.value(this.shown.name, pixel));
      if (this.data.explained && known) parts.push(...this.explain(pixel));
      this.pair.replaceChildren(...parts);
      if (window.matchMedia("(max-width: 900px)").matches) this.pair.scrollIntoView({ block: "nearest" });
    }

    explain(pixel) {
      const [i, j] = pixel[0] < pixel[1] ? pixel : [pixel[1], pixel[0]];
      const { pairs, reason, code } = this.data.explained;
      const found = pairs[`${i},${j}`];
      const names = [this.data.rows.values[i], this.data.columns.values[j]];
      if (found?.rows?.length) return this.kmerTable(found, names.map(place));
      const count = Object.keys(pairs).length;
      const said = found
        ? found.reason || "No pair of k-mers contributes to it."
        : reason || `The k-mers are listed for the ${count} strongest pairs. For this one, run:`;
      const call = code.replace("{i}", names[0]).replace("{j}", names[1]);
      return [element("p", { class: "unexplained" }, said), ...(found ? [] : [element("code", {}, call)])];
    }

    kmerTable({ rows, total, number: count }, [first, second]) {
      const most = Math.max(...rows.map((row) => Math.abs(row[4])));
      const head = (text, kind) => element("th", kind ? { scope: "col", class: kind } : { scope: "col" }, text);
      const body = rows.map(([a, b, observed, expected, contribution]) => {
        const bar = element("i");
        bar.style.width = `${(100 * Math.abs(contribution)) / most}%`;
        return element("tr", contribution < 0 ? { class: "avoided" } : {},
          element("td", { class: "kmer" }, a), element("td", { class: "kmer" }, b),
          element("td", { class: "number" }, number(observed)), element("td", { class: "number" }, number(expected, 3)),
          element("td", { class: "number" }, number(contribution, 3)), element("td", { class: "stretch" }, bar));
      });
      const table = element("table", { class: "kmers" },
        element("thead", {}, element("tr", {}, head(`at ${first}`), head(`at ${second}`), head("observed", "number"),
          head("expected", "number"), head("contribution (bits)", "number"), element("td"))),
        element("tbody", {}, ...body));
      const seen = `The ${rows.length} k-mer pairs that contribute most, of ${count.toLocaleString("en")} seen; all of them sum to ${number(total, 3)} bits. `;
      return [table, element("p", { class: "key" },
        `${seen}Red: more sequences have both than if the positions were independent; blue: fewer.`)];
    }
  }

  // -- start -----------------------------------------------------------------------------------

  const start = async (root, palettes) => {
    try {
      const data = JSON.parse(document.getElementById(root.dataset.source).textContent);
      const values = {};
      for (const map of data.maps)
        values[map.name] = await decode(map, data.rows.values.length, data.columns.values.length);
      new Heatmap(root, data, values, palettes);
      const still = root.parentElement.querySelector("details.still");
      if (still) still.open = false;
      root.dataset.state = "ready";
    } catch (error) {
      root.dataset.state = "failed";
      root.replaceChildren(element("p", { class: "note" },
        `The interactive heatmap could not be drawn by this browser (${error.message}). The still picture below shows the same.`));
    }
  };

  const shared = JSON.parse(document.getElementById("shared-data").textContent);
  const palettes = Object.fromEntries(Object.entries(shared.colours).map(([name, hex]) => [name, colours(hex)]));
  const all = [...document.querySelectorAll(".heatmap")].map((root) => start(root, palettes));
  Promise.all(all).then(() => { document.documentElement.dataset.state = "ready"; });
})();
