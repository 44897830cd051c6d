// Efficiency over the number of machines, as SVG.

export interface Curve {
  readonly work: string;
  readonly link: string;
  readonly points: readonly { readonly ranks: number; readonly efficiency: number }[];
}

const WIDTH = 760;
const HEIGHT = 380;
const PLOT = { left: 52, top: 34, right: 470, bottom: 330 };
const COLOURS = ["#2563eb", "#d9730d", "#0f9d76"];
const DASHES = ["", "7 4", "2 4"];

/** A colour for each kind of work, a dash for each link. */
export function scalingChart(curves: readonly Curve[], ranks: readonly number[]): string {
  const works = [...new Set(curves.map(({ work }) => work))];
  const links = [...new Set(curves.map(({ link }) => link))];
  const last = Math.log2(ranks.at(-1)!);
  const x = (n: number): number =>
    PLOT.left + ((Math.log2(n) - 1) / (last - 1)) * (PLOT.right - PLOT.left);
  const y = (efficiency: number): number => PLOT.bottom - efficiency * (PLOT.bottom - PLOT.top);
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (value) =>
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(value)}" y2="${y(value)}" stroke="#dde3ea"/>` +
      `<text x="${PLOT.left - 8}" y="${y(value) + 4}" text-anchor="end">${100 * value}%</text>`,
  );
  const ticks = ranks.map(
    (n) => `<text x="${x(n)}" y="${PLOT.bottom + 20}" text-anchor="middle">${n}</text>`,
  );
  const lines = curves.map(({ work, link, points }) => {
    const path = points
      .map(({ ranks: n, efficiency }) => `${x(n).toFixed(1)},${y(efficiency).toFixed(1)}`)
      .join(" ");
    return line(work, link, `points="${path}"`, "polyline");
  });
  const legend = [
    ...works.map((work) => [work, line(work, links[0]!, "", "swatch")] as const),
    ...links.map((link) => [link, line("", link, "", "swatch")] as const),
  ].map(([name, swatch], i) => {
    const top = PLOT.top + 24 * i;
    return `<g transform="translate(${PLOT.right + 20},${top})">${swatch}<text x="40" y="4">${name}</text></g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#1c2430">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="8" y="18" font-weight="600">Efficiency of a step, flan-t5-small's configuration: computed from two machines</text>
${[...grid, ...ticks, ...lines, ...legend].join("\n")}
<text x="${PLOT.right}" y="${HEIGHT - 8}" text-anchor="end">machines</text>
</svg>
`;

  function line(work: string, link: string, points: string, kind: "polyline" | "swatch"): string {
    const colour = COLOURS[works.indexOf(work)] ?? "#5b6675";
    const dash = DASHES[links.indexOf(link)] ?? "";
    const style = `fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"`;
    return kind === "polyline"
      ? `<polyline ${points} ${style}/>`
      : `<line x1="0" x2="32" y1="0" y2="0" ${style}/>`;
  }
}
