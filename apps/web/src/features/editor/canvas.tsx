'use client';
import '@xyflow/react/dist/base.css';
import './editor.css';
import { Background, BackgroundVariant, Controls, MiniMap, ReactFlow } from '@xyflow/react';
import { StepEdge } from './step-edge.tsx';
import { nodeTypes } from './step-nodes.tsx';
import { useCanvas } from './use-canvas.ts';

const edgeTypes = { step: StepEdge };
const FIT = { maxZoom: 1, padding: 0.2 };
const MAP = { width: 150, height: 105 };
const ADD_KEYS = ['Control', 'Meta'];

export function Canvas({ isReadOnly }: { isReadOnly: boolean }) {
  const flow = useCanvas(isReadOnly);
  return (
    <div className="editor-canvas h-full w-full">
      <ReactFlow
        {...flow}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        aria-label="Workflow"
        fitView
        fitViewOptions={FIT}
        minZoom={0.1}
        maxZoom={1.75}
        // The editor's own keys delete, so that a deletion is an edit like any other.
        deleteKeyCode={null}
        multiSelectionKeyCode={ADD_KEYS}
        nodesConnectable={!isReadOnly}
        elevateNodesOnSelect
        snapToGrid={false}
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1.2} />
        <Controls showInteractive={false} fitViewOptions={FIT} />
        <MiniMap className="max-md:hidden" pannable zoomable style={MAP} ariaLabel="Map of the workflow" />
      </ReactFlow>
    </div>
  );
}
