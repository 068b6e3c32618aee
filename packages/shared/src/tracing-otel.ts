/** Spans through the OpenTelemetry SDK, sent in batches by OTLP over HTTP as JSON. */
import {
  type Context,
  DiagLogLevel,
  diag,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { dependencyFailed, type EventLog } from './events.ts';
import { type Span, Traceparent, type Tracing } from './tracing.ts';
import type { TracingConfig } from './tracing-config.ts';

const KINDS = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER } as const;
/** A collector that does not answer may not keep the program from ending. */
const CLOSE_MS = 1_500;

/** Endpoint, headers, timeout, compression and certificates are read from OTEL_EXPORTER_OTLP_* by the exporter itself. */
export function openOtel(config: TracingConfig, log: EventLog, serviceName: string): Tracing {
  reportTrouble(log);
  const resource = resourceFromAttributes({ 'service.name': serviceName });
  const provider = new TracerProvider({
    resource: resource.merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(config),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const tracer = provider.getTracer('millrace');
  return {
    startSpan({ name, kind, attributes, parent, link }) {
      const linked = readTraceparent(link);
      const context = contextOf(readTraceparent(parent));
      const links = linked === undefined ? [] : [{ context: linked }];
      return wrap(tracer, tracer.startSpan(name, { kind: KINDS[kind], attributes, links }, context));
    },
    async close() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([provider.shutdown().catch(() => {}), late]);
    },
  };
}

function wrap(tracer: Tracer, span: OtelSpan): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    addPast({ name, durationMs, attributes, isError }) {
      const endTime = Date.now();
      const past = tracer.startSpan(
        name,
        { attributes, startTime: endTime - durationMs },
        trace.setSpan(ROOT_CONTEXT, span),
      );
      if (isError) past.setStatus({ code: SpanStatusCode.ERROR });
      past.end(endTime);
    },
    note: (attributes) => void span.setAttributes(attributes),
    markFailed: () => void span.setStatus({ code: SpanStatusCode.ERROR }),
    end: () => span.end(),
  };
}

function contextOf(parent: SpanContext | undefined): Context {
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** Undefined for anything malformed: it comes from other processes, and from strangers. */
function readTraceparent(text: string | undefined): SpanContext | undefined {
  const parsed = Traceparent.safeParse(text);
  if (!parsed.success) return undefined;
  const [, traceId = '', spanId = '', flags = '0'] = parsed.data.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}

/** The six of the specification; the SDK leaves reading the variable to whoever sets it up. */
function samplerOf({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio }: TracingConfig): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
    default:
      return name satisfies never;
  }
}

/** Errors of the SDK, most of them batches that the collector did not take. The spans are dropped, the program goes on. */
function reportTrouble(log: EventLog): void {
  const ignore = () => {};
  const error = (text: string) => dependencyFailed(log, { dependency: 'traces', error: messageIn(text) });
  diag.setLogger({ error, warn: ignore, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.ERROR);
}

/** The SDK tells an error as JSON with all that is in it, the collector's answer too; the log gets its message alone. */
function messageIn(text: string): string {
  try {
    return String(JSON.parse(text).message).slice(0, 300);
  } catch {
    return 'spans could not be sent';
  }
}
