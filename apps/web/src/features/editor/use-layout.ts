'use client';
import { graphAt } from '@millrace/workflow/edit';
import { useReactFlow } from '@xyflow/react';
import { useCallback, useEffect, useState } from 'react';
import { layOut } from './auto-layout.ts';
import { placeKey } from './places.ts';
import { visibleIds } from './positions.ts';
import type { EditorTools } from './use-editor.ts';

/** Arranges what is shown, whatever was moved by hand. */
export function useLayout({ store, positions }: Pick<EditorTools, 'store' | 'positions'>) {
  const { fitView } = useReactFlow();
  return useCallback(async () => {
    const graph = graphAt(store.document(), store.read().session.place);
    if (!graph) return;
    positions.set(await layOut(graph));
    setTimeout(() => void fitView({ maxZoom: 1, padding: 0.2, duration: 150 }), 60);
  }, [store, positions, fitView]);
}

/** True once the place that is shown has positions: it is arranged when nobody has moved anything in it yet. */
export function useFirstLayout({ store, positions, session }: EditorTools): boolean {
  const key = placeKey(session.place);
  const [laidOut, setLaidOut] = useState<string>();
  useEffect(() => {
    let isGone = false;
    const graph = graphAt(store.document(), store.read().session.place);
    const isKnown = graph === null || visibleIds(graph).some((id) => Object.hasOwn(positions.read(), id));
    const arrange = async () => {
      if (!isKnown && graph) positions.set(await layOut(graph));
      if (!isGone) setLaidOut(key);
    };
    void arrange();
    return () => {
      isGone = true;
    };
  }, [key, store, positions]);
  return laidOut === key;
}
