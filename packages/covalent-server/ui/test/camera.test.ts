import fc from "fast-check";
import { expect, test } from "vitest";

import { fit, reveal, zoom } from "../src/graph/camera";

const cameras = fc.record({
  x: fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  y: fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  scale: fc.double({ min: 0.01, max: 2, noNaN: true }),
});
const sizes = fc.record({ width: fc.integer({ min: 300, max: 3000 }), height: fc.integer({ min: 300, max: 3000 }) });

test("what is below the pointer stays there while one zooms", () => {
  fc.assert(
    fc.property(cameras, fc.double({ min: 0.1, max: 10, noNaN: true }), (camera, factor) => {
      const at = { x: 200, y: 100 };
      const next = zoom(camera, factor, at);
      const before = (at.x - camera.x) / camera.scale;
      expect((at.x - next.x) / next.scale).toBeCloseTo(before, 3);
    }),
  );
});

test("all of a plane fits into the view, and nothing is larger than life", () => {
  fc.assert(
    fc.property(sizes, sizes, (plane, view) => {
      fc.pre(plane.width < view.width * 5 && plane.height < view.height * 5);
      const camera = fit(plane, view);
      expect(camera.scale).toBeLessThanOrEqual(1);
      expect(camera.x).toBeGreaterThanOrEqual(0);
      expect(camera.x + plane.width * camera.scale).toBeLessThanOrEqual(view.width);
    }),
  );
});

test("of a plane that is far wider than the view, the middle is seen", () => {
  const camera = fit({ width: 1e6, height: 200 }, { width: 1000, height: 500 });
  expect((500 - camera.x) / camera.scale).toBeCloseTo(5e5);
  expect(camera.scale).toBeGreaterThanOrEqual(0.1);
});

test("a box that is revealed is in the view", () => {
  fc.assert(
    fc.property(cameras, sizes, (camera, view) => {
      const box = { x: 500, y: 700, width: 100, height: 50 };
      const next = reveal({ ...camera, scale: Math.min(camera.scale, 1) }, box, view);
      expect(next.x + box.x * next.scale).toBeGreaterThanOrEqual(0);
      expect(next.y + (box.y + box.height) * next.scale).toBeLessThanOrEqual(view.height);
    }),
  );
});
