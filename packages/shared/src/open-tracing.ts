import type { EventLog } from './events.ts';
import { NO_TRACING, type Tracing } from './tracing.ts';
import type { TracingConfig } from './tracing-config.ts';

/** Traces as the standard OTEL variables say; off, at no cost, unless they name a collector. */
export async function openTracing(config: TracingConfig, log: EventLog, serviceName: string): Promise<Tracing> {
  const isAsked =
    config.OTEL_TRACES_EXPORTER === 'otlp' ||
    config.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
  if (!isAsked || config.OTEL_TRACES_EXPORTER === 'none' || config.OTEL_SDK_DISABLED) return NO_TRACING;
  const { openOtel } = await import('./tracing-otel.ts');
  return openOtel(config, log, serviceName);
}
