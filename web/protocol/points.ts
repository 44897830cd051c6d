// Curves of runs that go on for days: they stay as short as those of minutes.

const MOST = 1000;

/** Adds a point; of very many, every second one is left out first. */
export function addPoint<T>(points: T[], point: T, most = MOST): void {
  if (points.length >= most) {
    const kept = points.filter((_, i) => i % 2 === 0);
    points.splice(0, points.length, ...kept);
  }
  points.push(point);
}
