'use client';
import { graphAt } from '@millrace/workflow/edit';
import {
  applyNodeChanges,
  type Connection,
  type EdgeChange,
  type FinalConnectionState,
  type NodeChange,
} from '@xyflow/react';
import { useCallback, useEffect, useMemo, useSyncExternalStore } from 'react';
import { connectSteps } from './actions.ts';
import { branchOfHandle, type CanvasEdge, type CanvasNode, deriveCanvas } from './canvas.ts';
import { useEditorTools } from './editor-context.tsx';
import { type Positions, placeMissing } from './positions.ts';
import { TRIGGER } from './session.ts';
import { useDropping } from './use-dropping.ts';
import { sayRefusal } from './use-editor.ts';
import { useKept } from './use-kept.ts';
import { useReveal } from './use-reveal.ts';

export function useCanvas(isReadOnly: boolean) {
  const { store, positions, session } = useEditorTools();
  const derived = useDerived();
  const selectedNodes = useMemo(() => new Set(session.nodes), [session.nodes]);
  const selectedEdges = useMemo(() => new Set(session.edges), [session.edges]);
  const { nodes, edges, setNodes } = useKept(derived, selectedNodes, selectedEdges);
  const onNodesChange = useCallback(
    (changes: NodeChange<CanvasNode>[]) => {
      const own = changes.filter(({ type }) => type === 'position' || type === 'dimensions');
      if (own.length > 0) setNodes((shown) => applyNodeChanges(own, shown));
      positions.set(placesOf(changes));
      const chosen = changes.filter((change) => change.type === 'select');
      if (chosen.length > 0) select(store, { nodes: chosen });
    },
    [store, positions, setNodes],
  );
  const onEdgesChange = useCallback(
    (changes: EdgeChange<CanvasEdge>[]) => {
      const chosen = changes.filter((change) => change.type === 'select');
      if (chosen.length > 0) select(store, { edges: chosen });
    },
    [store],
  );
  const chosenNodes = useCallback(() => store.read().session.nodes, [store]);
  useReveal(session.reveal, chosenNodes);
  return { nodes, edges, onNodesChange, onEdgesChange, ...useConnecting(), ...useDropping(isReadOnly) };
}

/** Where steps were put down, by hand or by arrow keys; while one is dragged it has no place yet. */
function placesOf(changes: NodeChange<CanvasNode>[]): Positions {
  const places = changes.flatMap((change) =>
    change.type === 'position' && change.position && !change.dragging ? [[change.id, change.position] as const] : [],
  );
  return Object.fromEntries(places);
}

interface Chosen {
  id: string;
  selected: boolean;
}

/** The session owns the selection; the canvas only says what was clicked. */
function select(store: ReturnType<typeof useEditorTools>['store'], changes: { nodes?: Chosen[]; edges?: Chosen[] }) {
  const { session } = store.read();
  const next = (now: readonly string[], chosen: Chosen[] = []) => [
    ...now.filter((id) => !chosen.some((change) => change.id === id)),
    ...chosen.filter(({ selected }) => selected).map(({ id }) => id),
  ];
  store.session({
    type: 'select',
    nodes: next(session.nodes, changes.nodes),
    edges: next(session.edges, changes.edges),
  });
}

function useDerived() {
  const { document, session, positions, problems, pins } = useEditorTools();
  const known = useSyncExternalStore(positions.subscribe, positions.read, positions.read);
  const graph = useMemo(() => graphAt(document, session.place), [document, session.place]);
  const placed = useMemo(() => (graph ? placeMissing(graph, known) : known), [graph, known]);
  useEffect(() => {
    if (placed !== known) positions.set(placed);
  }, [placed, known, positions]);
  const { place } = session;
  const pinned = useMemo(() => new Set(Object.keys(pins.outputs)), [pins.outputs]);
  return useMemo(
    () => deriveCanvas({ document, place, problems, positions: placed, pinned }),
    [document, place, problems, placed, pinned],
  );
}

function useConnecting() {
  const { store } = useEditorTools();
  const onConnect = useCallback(
    ({ source, target, sourceHandle }: Connection) => {
      const branch = branchOfHandle(sourceHandle);
      sayRefusal(connectSteps(store, { from: source, to: target, ...(branch ? { branch } : {}) }));
    },
    [store],
  );
  /** A line that ends nowhere asks what it should lead to. */
  const onConnectEnd = useCallback(
    (_: unknown, { isValid, toNode, fromNode, fromHandle }: FinalConnectionState) => {
      if (isValid || toNode || !fromNode || fromNode.id === TRIGGER || fromHandle?.type !== 'source') return;
      const branch = branchOfHandle(fromHandle.id);
      const spot = { at: 'after', from: fromNode.id, ...(branch ? { branch } : {}) } as const;
      store.session({ type: 'commands', commands: spot });
    },
    [store],
  );
  const isValidConnection = useCallback(
    ({ source, target }: { source: string; target: string }) =>
      source !== target && source !== TRIGGER && target !== TRIGGER,
    [],
  );
  return { onConnect, onConnectEnd, isValidConnection };
}
