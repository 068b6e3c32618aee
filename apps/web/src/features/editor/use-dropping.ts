'use client';
import { graphAt } from '@millrace/workflow/edit';
import { isLoose } from '@millrace/workflow/edit-steps';
import { useReactFlow } from '@xyflow/react';
import { type DragEvent, type MouseEvent, type TouchEvent, useMemo, useRef } from 'react';
import { addStepOfKind, insertOnEdge } from './actions.ts';
import type { CanvasNode } from './canvas.ts';
import { useCommands } from './commands-context.tsx';
import { edgeAmong } from './drop-target.ts';
import { useEditorTools } from './editor-context.tsx';
import { spotOnEdge } from './spots.ts';
import { sayRefusal } from './use-editor.ts';

/** The type under which a kind of step is dragged onto the canvas. */
export const STEP_TYPE = 'application/x-millrace-step';

/** Of a card, from its corner: a step that is put onto an edge stands around the pointer. */
const MIDDLE = { x: 116, y: 28 };

/** Steps that are let go over the canvas: new ones of the rail, and loose ones that are put onto an edge. */
export function useDropping(isReadOnly: boolean) {
  const dragged = useDraggedKind();
  const moved = useMovedStep();
  return isReadOnly ? {} : { ...dragged, ...moved };
}

function useDraggedKind() {
  const { store, positions } = useEditorTools();
  const { dropTarget } = useCommands();
  const { screenToFlowPosition } = useReactFlow();
  return useMemo(
    () => ({
      onDragOver: (event: DragEvent) => {
        if (!event.dataTransfer.types.includes(STEP_TYPE)) return;
        event.preventDefault();
        dropTarget.set(edgeAt(event, null));
      },
      onDragLeave: ({ currentTarget, relatedTarget }: DragEvent) => {
        if (!(relatedTarget instanceof Node && currentTarget.contains(relatedTarget))) dropTarget.set(null);
      },
      onDrop: (event: DragEvent) => {
        const type = event.dataTransfer.getData(STEP_TYPE);
        dropTarget.set(null);
        if (!type) return;
        event.preventDefault();
        const edge = edgeAt(event, null);
        const at = screenToFlowPosition({ x: event.clientX, y: event.clientY });
        const settings = edge
          ? { spot: spotOnEdge(edge), at: { x: at.x - MIDDLE.x, y: at.y - MIDDLE.y }, keep: positions.set }
          : { spot: { at: 'loose' } as const, at, keep: positions.set };
        sayRefusal(addStepOfKind(store, type, settings));
      },
    }),
    [store, positions, dropTarget, screenToFlowPosition],
  );
}

function useMovedStep() {
  const { store } = useEditorTools();
  const { dropTarget } = useCommands();
  /** Looked up once for each drag: a move has little time. */
  const isLooseStep = useRef(false);
  return useMemo(
    () => ({
      onNodeDragStart: (_: unknown, { id }: CanvasNode, nodes: CanvasNode[]) => {
        const graph = graphAt(store.document(), store.read().session.place);
        const isStep = graph?.nodes.some((node) => node.id === id) === true;
        isLooseStep.current = isStep && nodes.length === 1 && isLoose(graph, id);
      },
      onNodeDrag: (event: MouseEvent | TouchEvent, { id }: CanvasNode) => {
        if (isLooseStep.current) dropTarget.set(edgeAt(pointOf(event), id));
      },
      onNodeDragStop: (_: unknown, { id }: CanvasNode) => {
        const edge = dropTarget.read();
        dropTarget.set(null);
        if (isLooseStep.current && edge !== null) sayRefusal(insertOnEdge(store, id, edge));
      },
    }),
    [store, dropTarget],
  );
}

interface Point {
  clientX: number;
  clientY: number;
}

function pointOf(event: MouseEvent | TouchEvent): Point {
  return 'touches' in event ? (event.touches[0] ?? event.changedTouches[0] ?? NOWHERE) : event;
}

const NOWHERE: Point = { clientX: -1, clientY: -1 };

function edgeAt({ clientX, clientY }: Point, stepId: string | null): string | null {
  return edgeAmong(document.elementsFromPoint(clientX, clientY), stepId);
}
