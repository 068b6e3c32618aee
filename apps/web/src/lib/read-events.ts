import { createParser } from 'eventsource-parser';

export interface StreamedEvent {
  id: string | undefined;
  name: string;
  data: string;
}

/** The Server-Sent Events of an answer, in order, until it ends. Throws when the connection breaks. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const ready: StreamedEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => ready.push({ id, name: event ?? 'message', data }),
  });
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(value);
      yield* ready.splice(0);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
