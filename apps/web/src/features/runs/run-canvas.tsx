'use client';
import '@xyflow/react/dist/base.css';
import '../editor/editor.css';
import {
  Background,
  BackgroundVariant,
  Controls,
  type FitViewOptions,
  ReactFlow,
  ReactFlowProvider,
} from '@xyflow/react';
import { Failure } from '../../ui/failure.tsx';
import { CommandsContext } from '../editor/commands-context.tsx';
import { PlaceCrumbs } from '../editor/place-crumbs.tsx';
import { placeKey } from '../editor/places.ts';
import { StepEdge } from '../editor/step-edge.tsx';
import { nodeTypes } from '../editor/step-nodes.tsx';
import { useIsNarrow } from '../editor/use-is-narrow.ts';
import { useVersion } from '../workflows/use-version.ts';
import { CanvasSkeleton } from './canvas-skeleton.tsx';
import { type RunCanvasInput, type RunGraphInput, useRunGraph, useRunPlaces } from './use-run-canvas.ts';

const edgeTypes = { step: StepEdge };
const FIT = { maxZoom: 1, padding: 0.12 };
/** Leaves room for the way to this graph. */
const FIT_BELOW = { maxZoom: 1, padding: { top: '56px', x: 0.12, bottom: 0.08 } } as const;
const LABELS = { 'node.a11yDescription.default': 'Press enter to open the step.' };

export interface RunCanvasProps extends Omit<RunCanvasInput, 'document'> {
  version: number;
}

/** The very version that a run has, as it is drawn in the editor, with how each step stands. */
export function RunCanvas({ version, ...input }: RunCanvasProps) {
  const { data, error, refetch } = useVersion(input.workflowId, version);
  if (data) return <Places {...input} document={data.dsl} />;
  if (error) return <Failure error={error} onRetry={refetch} />;
  return <CanvasSkeleton />;
}

function Places(input: RunCanvasInput) {
  const { place, setPlace, graph, positions, commands, crumbs, hasOther } = useRunPlaces(input);
  const isNarrow = useIsNarrow();
  const hasCrumbs = crumbs.length > 1 || hasOther;
  return (
    <CommandsContext value={commands}>
      <div className="editor-canvas relative h-full w-full">
        {hasCrumbs ? <PlaceCrumbs crumbs={crumbs} hasOther={hasOther} onOpen={setPlace} /> : null}
        {graph && positions ? (
          <ReactFlowProvider key={`${placeKey(place)} ${isNarrow}`}>
            <Graph {...input} place={place} graph={graph} positions={positions} fit={hasCrumbs ? FIT_BELOW : FIT} />
          </ReactFlowProvider>
        ) : (
          <CanvasSkeleton />
        )}
      </div>
    </CommandsContext>
  );
}

function Graph({ fit, ...input }: RunGraphInput & { fit: FitViewOptions }) {
  const { onKeyDown, ...flow } = useRunGraph(input);
  return (
    <ReactFlow
      {...flow}
      onKeyDownCapture={onKeyDown}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      aria-label="Workflow of the run"
      ariaLabelConfig={LABELS}
      fitView
      fitViewOptions={fit}
      minZoom={0.1}
      maxZoom={1.75}
      deleteKeyCode={null}
      nodesDraggable={false}
      nodesConnectable={false}
      elementsSelectable={false}
      nodesFocusable
      edgesFocusable={false}
      // The wheel goes on with the page.
      zoomOnScroll={false}
      preventScrolling={false}
    >
      <Background variant={BackgroundVariant.Dots} gap={20} size={1.2} />
      <Controls showInteractive={false} fitViewOptions={fit} />
    </ReactFlow>
  );
}
