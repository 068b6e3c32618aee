'use client';
import { type Document, graphAt, type Place } from '@millrace/workflow/edit';
import { type Outline, readOutline } from '@millrace/workflow/outline';
import { nodeIdOf } from '@millrace/workflow/step-keys';
import { applyNodeChanges, type NodeChange, type NodeMouseHandler } from '@xyflow/react';
import { type KeyboardEvent, useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react';
import { type CanvasNode, deriveCanvas } from '../editor/canvas.ts';
import { createDropTarget } from '../editor/drop-target.ts';
import { crumbsTo, placeOf } from '../editor/places.ts';
import type { Positions } from '../editor/positions.ts';
import { TRIGGER } from '../editor/session.ts';
import { useKept } from '../editor/use-kept.ts';
import { useReveal } from '../editor/use-reveal.ts';
import { showStates } from './show-states.ts';
import type { LiveStep } from './timeline.ts';
import { useGraphPositions } from './use-graph-positions.ts';
import type { StepSelection } from './use-selected-step.ts';

export interface RunCanvasInput {
  workflowId: string;
  document: Document;
  steps: readonly LiveStep[];
  isOver: boolean;
  selection: StepSelection;
}

/** Which graph of the run's version is shown, where its steps stand, and the ways between graphs. */
export function useRunPlaces({ workflowId, document, selection: { selected } }: RunCanvasInput) {
  const [place, setPlace] = useState<Place>({ in: 'run' });
  useEffect(() => {
    const found = selected && placeOf(document, nodeIdOf(selected.stepId));
    if (found) setPlace(found);
  }, [selected, document]);
  const graph = useMemo(() => graphAt(document, place), [document, place]);
  const positions = useGraphPositions(workflowId, graph);
  const commands = useMemo(
    () => ({
      openCommands: null,
      openBody: (loopId: string) => setPlace({ in: 'loop', loopId }),
      dropTarget: createDropTarget(),
    }),
    [],
  );
  const crumbs = crumbsTo(document, place);
  const hasOther = readOutline(document).onFailure !== null;
  return { place, setPlace, graph, positions, commands, crumbs, hasOther };
}

export interface RunGraphInput extends RunCanvasInput {
  place: Place;
  graph: Outline;
  positions: Positions;
}

/** The nodes and edges of one graph with what the run made of them; a press on a node leads to its step. */
export function useRunGraph({ document, place, graph, positions, steps, isOver, selection }: RunGraphInput) {
  const { selected, select } = selection;
  // The list of steps comes first when a great many of them change at once.
  const late = useDeferredValue(steps);
  const plain = useMemo(
    () => deriveCanvas({ document, place, problems: [], positions, pinned: NONE }),
    [document, place, positions],
  );
  const loopId = place.in === 'loop' ? place.loopId : null;
  const derived = useMemo(
    () => showStates(plain, { graph, loopId, steps: late, isOver }),
    [plain, graph, loopId, late, isOver],
  );
  const nodeId = selected === null ? null : nodeIdOf(selected.stepId);
  const chosen = useMemo(() => new Set(nodeId === null ? [] : [nodeId]), [nodeId]);
  const { nodes, edges, setNodes } = useKept(derived, chosen, NONE);
  const onNodesChange = useCallback(
    (changes: NodeChange<CanvasNode>[]) => {
      const measured = changes.filter(({ type }) => type === 'dimensions');
      if (measured.length > 0) setNodes((shown) => applyNodeChanges(measured, shown));
    },
    [setNodes],
  );
  const press = (id: string) => {
    const node = derived.nodes.find((one) => one.id === id);
    const stepId = node?.data.state?.stepKey;
    if (stepId) select(stepId, 'canvas');
    else if (node && id !== TRIGGER) select(id, 'list');
  };
  const onNodeClick: NodeMouseHandler<CanvasNode> = ({ target }, { id }) => {
    // The way into a loop is a button of its own.
    if (!(target instanceof Element && target.closest('button'))) press(id);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const id = pressedNode(event);
    if (id === null) return;
    event.preventDefault();
    press(id);
  };
  const read = useCallback(() => (nodeId === null ? [] : [nodeId]), [nodeId]);
  useReveal(selected?.at === 'list' ? selected.count : 0, read);
  return { nodes, edges, onNodesChange, onNodeClick, onKeyDown };
}

const NONE: ReadonlySet<string> = new Set();

/** The node that has the focus itself: buttons in it keep their keys. */
function pressedNode({ key, target }: KeyboardEvent): string | null {
  if ((key !== 'Enter' && key !== ' ') || !(target instanceof HTMLElement)) return null;
  return target.classList.contains('react-flow__node') ? (target.dataset.id ?? null) : null;
}
