import { expect, it } from 'vitest';
import { readEvents, type StreamedEvent } from './read-events.ts';

it('events come as they were sent, however the bytes are cut', async () => {
  const text = 'retry: 1000\n\nid: 1.0\ndata: {"type":"é"}\n\n: nothing new\n\nevent: end\ndata: {}\n\n';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 3, 1_000]) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const events: StreamedEvent[] = [];
    for await (const event of readEvents(body)) events.push(event);
    expect(events).toEqual([
      { id: '1.0', name: 'message', data: '{"type":"é"}' },
      { id: undefined, name: 'end', data: '{}' },
    ]);
  }
});
