'use client';
import { useLayoutEffect, useState } from 'react';
import type { CanvasEdge, CanvasNode } from './canvas.ts';
import { keepEdges, keepNodes } from './keep-nodes.ts';

interface Derived {
  nodes: readonly CanvasNode[];
  edges: readonly CanvasEdge[];
}

/** What the canvas shows of what was derived, in the very objects that it shows already wherever nothing changed. */
export function useKept(derived: Derived, selectedNodes: ReadonlySet<string>, selectedEdges: ReadonlySet<string>) {
  const [nodes, setNodes] = useState(() => keepNodes([], derived.nodes, selectedNodes));
  const [edges, setEdges] = useState(() => keepEdges([], derived.edges, selectedEdges));
  useLayoutEffect(() => setNodes((shown) => keepNodes(shown, derived.nodes, selectedNodes)), [derived, selectedNodes]);
  useLayoutEffect(() => setEdges((shown) => keepEdges(shown, derived.edges, selectedEdges)), [derived, selectedEdges]);
  return { nodes, edges, setNodes };
}
