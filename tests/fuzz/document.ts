/** What the fuzzer reads of an OpenAPI document: operations, what they take and what they may answer. Nothing of our code. */

export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
};

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required?: boolean;
  schema: Schema;
}

interface Answer {
  content?: Record<string, { schema?: Schema }>;
}

export interface Operation {
  id: string;
  method: string;
  /** With parameters in braces. */
  path: string;
  parameters: Parameter[];
  body: Schema | undefined;
  isBodyRequired: boolean;
  isSecured: boolean;
  answers: Record<string, Answer>;
}

export interface OpenApi {
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        parameters?: Parameter[];
        requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
        security?: object[];
        responses: Record<string, Answer>;
      }
    >
  >;
  components: { schemas: Record<string, Schema> };
}

export function listOperations(document: OpenApi): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      parameters: operation.parameters ?? [],
      body: Object.values(operation.requestBody?.content ?? {})[0]?.schema,
      isBodyRequired: operation.requestBody?.required ?? false,
      isSecured: (operation.security ?? []).length > 0,
      answers: operation.responses,
    })),
  );
}

/** The schema itself, once references and `allOf` are followed. */
export function resolveSchema(document: OpenApi, schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  if (name) return resolveSchema(document, document.components.schemas[name] ?? {});
  if (!schema.allOf) return schema;
  const parts = schema.allOf.map((part) => resolveSchema(document, part));
  return {
    ...Object.assign({}, schema, ...parts),
    allOf: undefined,
    properties: Object.assign({}, schema.properties, ...parts.map(({ properties }) => properties)),
    required: [schema, ...parts].flatMap(({ required = [] }) => required),
  };
}
