'use client';
import { useReactFlow, useStoreApi } from '@xyflow/react';
import { useEffect } from 'react';
import { isInView } from './positions.ts';

/**
 * Brings nodes into view whenever `reveal` goes up, unless they are in view: nothing should move without need. `read`
 * stays the same function.
 */
export function useReveal(reveal: number, read: () => readonly string[]): void {
  const { fitView, getNodesBounds, getViewport } = useReactFlow();
  const flow = useStoreApi();
  useEffect(() => {
    const nodes = read();
    if (reveal === 0 || nodes.length === 0) return;
    const show = () => {
      if (isInView(getNodesBounds([...nodes]), getViewport(), flow.getState())) return;
      void fitView({ nodes: nodes.map((id) => ({ id })), maxZoom: 1, duration: 150 });
    };
    // A step that was just added is measured first.
    const timer = setTimeout(show, 60);
    return () => clearTimeout(timer);
  }, [reveal, read, fitView, getNodesBounds, getViewport, flow]);
}
