import { expect, it, vi } from 'vitest';
import { createDropTarget, edgeAmong } from './drop-target.ts';
import { edgeKey, TRIGGER } from './session.ts';

const mark = (key: string | null) => ({
  closest: (selector: string) =>
    selector === '.react-flow__edge' && key !== null ? { getAttribute: () => key } : null,
});

it('the topmost edge at a point is the one meant, but never one of the step itself', () => {
  const [own, other] = [edgeKey({ from: TRIGGER, to: 'loose' }), edgeKey({ from: 'a', to: 'b' })];
  const below = edgeKey({ from: 'c', to: 'd' });
  expect(edgeAmong([mark(null), mark(own), mark(other), mark(below)], 'loose')).toBe(other);
  expect(edgeAmong([mark(own)], null)).toBe(own);
  expect(edgeAmong([mark(own), mark(null)], 'loose')).toBeNull();
});

it('who watches hears of another edge only', () => {
  const target = createDropTarget();
  const listener = vi.fn();
  const leave = target.subscribe(listener);
  target.set('e');
  target.set('e');
  expect([target.read(), listener.mock.calls.length]).toEqual(['e', 1]);
  leave();
  target.set(null);
  expect(listener.mock.calls.length).toBe(1);
});
