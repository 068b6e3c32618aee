/** Only what a bench or a test of whole programs reads of an answer. */
interface Answer {
  session?: { token: string };
  organization?: { id: string };
  workflow?: { id: string; hookUrl: string | null };
  run?: { id: string; status: string };
}

export interface Client {
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  headers: Record<string, string>;
  orgPath: string;
  orgId: string;
  credentials: { email: string; password: string };
}

/** A signed-up user with an organization of their own, over HTTP like everybody else. */
export async function signUp(apiUrl: string): Promise<Client> {
  const name = `bench-${Date.now()}`;
  const json = { 'content-type': 'application/json' };
  const credentials = { email: `${name}@example.com`, password: `a long ${name} password` };
  const { session } = await send(apiUrl, json, 'POST', '/v1/auth/signup', credentials);
  const bearer = { ...json, authorization: `Bearer ${session?.token}` };
  const { organization } = await send(apiUrl, bearer, 'POST', '/v1/orgs', { name, slug: name });
  const headers = { ...bearer, 'x-org-id': organization?.id ?? '' };
  const orgPath = `/v1/orgs/${organization?.id}`;
  return {
    headers,
    orgPath,
    orgId: organization?.id ?? '',
    credentials,
    call: (method, path, body) => send(apiUrl, headers, method, `${orgPath}${path}`, body),
  };
}

/** Creates and publishes a workflow; answers the path of its runs below the organization. */
export async function publish(client: Client, name: string, dsl: object): Promise<string> {
  const { workflow } = await client.call('POST', '/workflows', { name, dsl });
  const path = `/workflows/${workflow?.id}`;
  await client.call('POST', `${path}/publish`, {});
  return `${path}/runs`;
}

export async function send(
  apiUrl: string,
  headers: Record<string, string>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${apiUrl}${path}`, {
    method,
    headers,
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const answer = (await response.json()) as Answer;
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}
