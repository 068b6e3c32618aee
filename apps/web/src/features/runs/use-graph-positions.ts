'use client';
import type { Outline } from '@millrace/workflow/outline';
import { useEffect, useMemo, useState } from 'react';
import { layOut } from '../editor/auto-layout.ts';
import { type Positions, placeMissing, visibleIds } from '../editor/positions.ts';
import { openPositions } from '../editor/positions-store.ts';

/**
 * Where the steps of a graph stand: as they were arranged in the editor, else as the layout engine puts them; null until
 * that is known. Nothing is kept: the version that a run has may be an old one.
 */
export function useGraphPositions(workflowId: string, graph: Outline | null): Positions | null {
  const [kept] = useState(() => openPositions(workflowId).read());
  const [laidOut, setLaidOut] = useState<{ graph: Outline; positions: Positions }>();
  const isKnown = graph !== null && visibleIds(graph).some((id) => Object.hasOwn(kept, id));
  useEffect(() => {
    if (!graph || isKnown) return;
    let isGone = false;
    const arrange = async () => {
      const positions = await layOut(graph);
      if (!isGone) setLaidOut({ graph, positions });
    };
    void arrange();
    return () => {
      isGone = true;
    };
  }, [graph, isKnown]);
  return useMemo(() => {
    if (!graph) return null;
    if (isKnown) return placeMissing(graph, kept);
    return laidOut?.graph === graph ? laidOut.positions : null;
  }, [graph, isKnown, kept, laidOut]);
}
