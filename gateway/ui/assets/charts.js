// Draws series as SVG: lines with gaps where nothing was measured, and stacked bars. Each picture has words for those
// who do not see it.

const NAMESPACE = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 4, 6, 18];

export function lines(host, points, keys, format, words) {
  const picture = frame(host, points, Math.max(0, ...points.flatMap((point) => keys.map((key) => point[key] ?? 0))), format, words);
  if (!picture) return;
  for (const key of keys) {
    let path = "";
    let drawing = false;
    points.forEach((point, index) => {
      if (point[key] == null) {
        drawing = false;
        return;
      }
      const [x, y] = [picture.x(index), picture.y(point[key])];
      // A point by itself is a short stroke.
      path += drawing ? `L${x} ${y}` : `M${x} ${y}h0.1`;
      drawing = true;
    });
    picture.svg.append(shape("path", { d: path, class: key }));
  }
}

export function bars(host, points, keys, format, words) {
  const total = (point) => keys.reduce((sum, { key }) => sum + point[key], 0);
  const picture = frame(host, points, Math.max(0, ...points.map(total)), format, words);
  if (!picture) return;
  const width = Math.max(1, picture.step - 2);
  points.forEach((point, index) => {
    let base = 0;
    for (const { key, name } of keys) {
      if (!point[key]) continue;
      const [top, bottom] = [picture.y(base + point[key]), picture.y(base)];
      picture.svg.append(shape("rect", { class: name, x: picture.x(index) - width / 2, y: top, width, height: Math.max(1, bottom - top) }));
      base += point[key];
    }
  });
}

// Axes with round numbers; how to get from an index and a value to a place.
function frame(host, points, most, format, words) {
  const [width, height] = [host.clientWidth, host.clientHeight];
  if (width < 60 || points.length === 0) return null;
  const top = roundUp(most);
  const step = (width - LEFT - RIGHT) / points.length;
  const x = (index) => round(LEFT + (index + 0.5) * step);
  const y = (value) => round(TOP + (1 - value / top) * (height - TOP - BOTTOM));
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
  for (const value of [0, top / 2, top]) {
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    const label = shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" });
    label.textContent = value === 0 ? "0" : format(value);
    svg.append(label);
  }
  const marks = [0, Math.floor(points.length / 2), points.length - 1];
  for (const index of marks) {
    const label = shape("text", { x: x(index), y: height - 3, "text-anchor": index === 0 ? "start" : index === marks[2] ? "end" : "middle" });
    label.textContent = new Date(points[index].start).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    svg.append(label);
  }
  host.replaceChildren(svg);
  return { svg, x, y, step };
}

function shape(name, attributes) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const round = (number) => Math.round(number * 10) / 10;

// The next of 1, 2, 5, 10, 20 ...
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}
