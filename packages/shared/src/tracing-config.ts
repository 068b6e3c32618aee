import { z } from 'zod';
import { OtelUrl } from './config-values.ts';

/** The standard variables of OpenTelemetry that this platform reads itself; the exporter reads the rest. */
export const TracingConfig = z.object({
  OTEL_EXPORTER_OTLP_ENDPOINT: OtelUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: OtelUrl.optional(),
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none']).optional(),
  OTEL_SDK_DISABLED: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
  OTEL_TRACES_SAMPLER: z
    .enum([
      ...['always_on', 'always_off', 'traceidratio'],
      ...['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'],
    ] as const)
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be from 0 to 1')
    .default('1')
    .transform(Number),
});
export type TracingConfig = z.infer<typeof TracingConfig>;
