interface Schema {
  type?: unknown;
  properties?: Record<string, Schema>;
  default?: unknown;
  enum?: unknown[];
}

const SAMPLES: Record<string, unknown> = {
  string: '',
  number: 0,
  integer: 0,
  boolean: false,
  array: [],
  object: {},
  null: null,
};

/** A first input for the trigger's schema: its properties with their defaults or empty values; nothing without a schema. */
export function sampleInput(dsl: Record<string, unknown> | null): string {
  const trigger = dsl?.trigger as { config?: { inputSchema?: Schema } } | undefined;
  const schema = trigger?.config?.inputSchema;
  if (typeof schema !== 'object' || schema === null) return '';
  return JSON.stringify(sampleOf(schema), null, 2);
}

function sampleOf(schema: Schema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (schema.properties)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => [name, sampleOf(inner)]));
  return SAMPLES[String(schema.type)] ?? null;
}
