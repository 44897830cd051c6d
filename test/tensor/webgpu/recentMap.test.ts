// What is kept of prepared calls and bind groups: so many, those used last.

import { describe, expect, it } from "vitest";
import { RecentMap } from "../../../src/tensor/webgpu/recentMap.ts";
import { uniform } from "../../support/random.ts";

/** Keys that are kept, asked in an order that does not matter here. */
function keysOf(map: RecentMap<number, string>, upTo: number): number[] {
  const keys = Array.from({ length: upTo }, (_, i) => i);
  return keys.filter((key) => map.get(key) !== undefined);
}

describe("RecentMap", () => {
  it("holds the values used last, whether they were put or found", () => {
    const map = new RecentMap<number, string>(3);
    for (const key of [0, 1, 2]) map.set(key, `value ${key}`);
    expect(map.get(0)).toBe("value 0");
    map.set(3, "value 3"); // 1 was used longest ago
    map.set(2, "again");
    map.set(4, "value 4"); // now 0
    expect(map.size).toBe(3);
    expect(keysOf(map, 6)).toEqual([2, 3, 4]);
    expect(map.get(2)).toBe("again");
  });

  it("agrees with a list kept in order, over 5,000 random uses", () => {
    const most = 16;
    const map = new RecentMap<number, number>(most);
    let list: { key: number; value: number }[] = [];
    const random = uniform(7);
    const differences: number[] = [];
    for (let i = 0; i < 5_000; i++) {
      const key = Math.floor(40 * random());
      const known = list.find((each) => each.key === key);
      const choice = random();
      if (choice < 0.01) {
        map.deleteWhere((value) => value % 3 === 0);
        list = list.filter(({ value }) => value % 3 !== 0);
      } else if (choice < 0.012) {
        map.clear();
        list = [];
      } else if (choice < 0.5) {
        if (map.get(key) !== known?.value) differences.push(i);
        if (known) list = [...list.filter((each) => each !== known), known];
      } else {
        map.set(key, i);
        list = [...list.filter((each) => each !== known), { key, value: i }].slice(-most);
      }
      if (map.size !== list.length) differences.push(i);
    }
    expect(differences).toEqual([]);
  });
});
