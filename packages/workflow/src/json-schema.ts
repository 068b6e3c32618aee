import { z } from 'zod';
import { Body, Edge, Node, WorkflowDefinition } from './definition.ts';
import { isRecord } from './json.ts';
import { unusedOptions } from './steps/options.ts';
import { findKind, isLaterKind, KIND_NAMES } from './steps/registry.ts';

type Schema = Record<string, unknown>;

/** As a plain key it would make an object look like a promise to the linter. */
const THEN = 'then';

/**
 * The shape of a document as JSON Schema 2020-12, for editors that complete and check while somebody types. It says
 * less than `validateDefinition`: nothing about the graph, references or expressions.
 */
export function workflowJsonSchema(): Schema {
  const { document, $defs } = split(WorkflowDefinition);
  const configs = KIND_NAMES.map((type) => [type, splitConfig(type)] as const);
  const shared = Object.assign({}, $defs, ...configs.map(([, config]) => config.$defs));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Millrace workflow',
    ...document,
    $defs: {
      ...withKinds(shared),
      ...Object.fromEntries(configs.map(([type, config]) => [`config.${type}`, config.document])),
    },
  };
}

type Split = { readonly document: Schema; readonly $defs: Schema };

function splitConfig(type: string): Split {
  const kind = findKind(type);
  if (kind === undefined) {
    throw new Error(`no kind of node is called ${type}`);
  }
  const { document, $defs } = split(kind.config);
  const description = 'This kind cannot be published yet.';
  return { document: isLaterKind(type) ? { description, ...document } : document, $defs };
}

/** A node's config depends on its type, and so does which options it may have. */
function withKinds($defs: Schema): Schema {
  const node = isRecord($defs.Node) ? $defs.Node : {};
  const properties = isRecord(node.properties) ? node.properties : {};
  const allOf = KIND_NAMES.map((type) => ({
    if: { properties: { type: { const: type } }, required: ['type'] },
    [THEN]: { properties: { config: { $ref: `#/$defs/config.${type}` }, ...unusedOf(type) } },
  }));
  return { ...$defs, Node: { ...node, properties: { ...properties, type: { enum: KIND_NAMES } }, allOf } };
}

/** Of the schema `false` is nothing. */
function unusedOf(type: string): Schema {
  const kind = findKind(type);
  return Object.fromEntries((kind === undefined ? [] : unusedOptions(kind)).map((key) => [key, false]));
}

/** What several schemas share is kept apart, to be written once. */
function split(schema: z.ZodType): Split {
  const metadata = z.registry<{ id: string }>();
  metadata.add(Node, { id: 'Node' });
  metadata.add(Edge, { id: 'Edge' });
  metadata.add(Body, { id: 'Body' });
  const { $schema, $defs, ...document } = z.toJSONSchema(schema, { metadata, io: 'input', unrepresentable: 'any' });
  return { document, $defs: { ...$defs } };
}
