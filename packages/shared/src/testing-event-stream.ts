/** A reader of Server-Sent Events for tests, over a real connection. */

export interface ReceivedEvent {
  id: string | undefined;
  /** `message` unless the event has a name. */
  name: string;
  data: { type?: string; at?: string; stepId?: string; [field: string]: unknown };
  /** Epoch milliseconds. */
  receivedAt: number;
}

export interface EventReader {
  status: number;
  headers: Headers;
  /** So far, oldest first. */
  events: ReceivedEvent[];
  /** Resolves once the server has ended the answer; rejects when the connection broke. */
  ended: Promise<void>;
  close(): void;
}

export async function readEvents(url: string, headers: Record<string, string>): Promise<EventReader> {
  const controller = new AbortController();
  const response = await fetch(url, { headers, signal: controller.signal });
  const events: ReceivedEvent[] = [];
  const ended = collect(response, events);
  ended.catch(() => {});
  return { status: response.status, headers: response.headers, events, ended, close: () => controller.abort() };
}

async function collect(response: Response, events: ReceivedEvent[]): Promise<void> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
      const data = fields.get('data');
      if (data === undefined) continue;
      const [id, name = 'message'] = [fields.get('id'), fields.get('event')];
      events.push({ id, name, data: JSON.parse(data), receivedAt: Date.now() });
    }
  }
}
