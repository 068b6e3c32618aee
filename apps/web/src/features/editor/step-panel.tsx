'use client';
import { type NodeOption, setConfig, setOption } from '@millrace/workflow/edit';
import { isRecord } from '@millrace/workflow/json';
import { Trash2 } from 'lucide-react';
import { Button } from '../../ui/button.tsx';
import { removeSelected } from './actions.ts';
import { Connections } from './connections.tsx';
import { useEditorTools } from './editor-context.tsx';
import { FieldControl } from './field-control.tsx';
import { withField } from './field-value.ts';
import { fieldsOfKind } from './fields.ts';
import { problemsOfField } from './locate-problem.ts';
import { optionsOf } from './node-fields.ts';
import { isTestable, kindOf } from './node-kinds.ts';
import { FoldedSection, PanelSection } from './panel-section.tsx';
import { StepIdField } from './step-id-field.tsx';
import { iconOf } from './step-nodes.tsx';
import { StepTest } from './step-test.tsx';
import { sayRefusal } from './use-editor.ts';
import { useStep } from './use-step.ts';

/** One step: what it does, what it leads to, a try of it, and what becomes of it when it fails. */
export function StepPanel({ id, isReadOnly }: { id: string; isReadOnly: boolean }) {
  const { store, problems, session } = useEditorTools();
  const step = useStep(id);
  if (!step) return null;
  const { node, bindings, isReachable } = step;
  const type = node.type ?? '';
  const kind = kindOf(type);
  const Icon = iconOf(type);
  const options = optionsOf(type, node.given);
  const setKey = (key: string, value: unknown) =>
    sayRefusal(
      store.edit((document) => setConfig(document, id, withField(node.config, key, value)), `${id}.config.${key}`),
    );
  const setNodeOption = (key: string, value: unknown) =>
    sayRefusal(store.edit((document) => setOption(document, id, key as NodeOption, value), `${id}.${key}`));
  return (
    <>
      <div className="flex items-center gap-2.5 px-4 pt-4">
        <Icon aria-hidden className="size-4.5 shrink-0 text-accent" />
        <div className="min-w-0">
          <h2 className="truncate text-sm font-semibold">{kind.label}</h2>
          <p className="truncate text-xs text-muted">{kind.about}</p>
        </div>
        {isReadOnly ? null : (
          <Button
            look="ghost"
            size="icon"
            aria-label={`Delete ${id}`}
            className="ml-auto size-8"
            onClick={() => sayRefusal(removeSelected(store))}
          >
            <Trash2 aria-hidden />
          </Button>
        )}
      </div>
      <PanelSection title="Set-up">
        <StepIdField key={id} id={id} isReadOnly={isReadOnly} />
        {fieldsOfKind(type).map((field) => (
          <FieldControl
            key={field.key}
            field={field}
            value={isRecord(node.config) ? node.config[field.key] : undefined}
            problem={problemsOfField(problems, `${node.path}.config.${field.key}`)}
            bindings={bindings}
            isFocused={session.field === field.key}
            isReadOnly={isReadOnly}
            onChange={(value) => setKey(field.key, value)}
          />
        ))}
      </PanelSection>
      <Connections id={id} isReadOnly={isReadOnly} />
      {isReadOnly || !isReachable || !isTestable(type) ? null : <StepTest id={id} />}
      <FoldedSection title="Name, retries and failure" isOpen={options.some(({ key }) => key === session.field)}>
        {options.map((field) => (
          <FieldControl
            key={field.key}
            field={field}
            value={node.given[field.key]}
            problem={problemsOfField(problems, `${node.path}.${field.key}`)}
            bindings={null}
            isReadOnly={isReadOnly}
            onChange={(value) => setNodeOption(field.key, value)}
          />
        ))}
      </FoldedSection>
    </>
  );
}
