import { z } from 'zod';
import { http } from './http/index.ts';
import type { Action, Connector } from './sdk.ts';

const connectors: readonly Connector[] = [http];

/** Node type (`<connector>.<action>`, like `http.request`) to action; undefined for types no connector serves. */
export function findAction(nodeType: string): Action | undefined {
  return actionsByNodeType.get(nodeType);
}

export type CatalogAction = {
  nodeType: string;
  name: string;
  displayName: string;
  description: string;
  effect: Action['effect'];
  idempotency: Action['idempotency'];
  timeoutMs: number;
  /** JSON Schema, draft 2020-12. */
  inputSchema: object;
  outputSchema: object;
};

export type CatalogEntry = Omit<Connector, 'actions'> & { actions: CatalogAction[] };

/** The catalogue as plain JSON, for clients that draw forms. */
export function describeCatalog(): CatalogEntry[] {
  return connectors.map((connector) => ({
    id: connector.id,
    version: connector.version,
    displayName: connector.displayName,
    description: connector.description,
    actions: connector.actions.map((action) => describeAction(connector, action)),
  }));
}

const actionsByNodeType = new Map<string, Action>(
  connectors.flatMap((connector) =>
    connector.actions.map((action): [string, Action] => [nodeTypeOf(connector, action), action]),
  ),
);

function nodeTypeOf(connector: Connector, action: Action): string {
  return `${connector.id}.${action.name}`;
}

function describeAction(connector: Connector, action: Action): CatalogAction {
  return {
    nodeType: nodeTypeOf(connector, action),
    name: action.name,
    displayName: action.displayName,
    description: action.description,
    effect: action.effect,
    idempotency: action.idempotency,
    timeoutMs: action.timeoutMs,
    // `io: 'input'` describes what a person writes: fields with a default are optional there.
    inputSchema: z.toJSONSchema(action.input, { io: 'input' }),
    outputSchema: z.toJSONSchema(action.output),
  };
}
