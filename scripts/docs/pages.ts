/** The pages of `docs/` that are printed from the code: nothing in them is written by hand. */
import { buildApp } from '../../apps/api/src/app.ts';
import { closeDeps, openDeps } from '../../apps/api/src/deps.ts';
import { ApiConfig, parseConfig } from '../../packages/shared/src/config.ts';
import { ERROR_CATALOG } from '../../packages/shared/src/errors.ts';
import { createLog } from '../../packages/shared/src/log.ts';
import { generateSigningKeys } from '../../packages/shared/src/tokens.ts';
import { workflowJsonSchema } from '../../packages/workflow/src/json-schema.ts';

interface GeneratedPage {
  /** From the root of the project. */
  path: string;
  text: string;
}

/** Prints every generated page. Needs no PostgreSQL and no Redis; answers the same text for the same code. */
export async function printPages(): Promise<GeneratedPage[]> {
  return [
    { path: 'docs/openapi.json', text: await printOpenApi() },
    { path: 'docs/errors.md', text: printErrors() },
    { path: 'docs/workflow.schema.json', text: `${JSON.stringify(workflowJsonSchema(), null, 2)}\n` },
  ];
}

/** Asks a real app for its document, the way a client does. Nobody listens on port 1: no service may be needed here. */
async function printOpenApi(): Promise<string> {
  const config = parseConfig(ApiConfig, {
    NODE_ENV: 'test',
    API_DATABASE_URL: 'postgres://app_api@127.0.0.1:1/millrace',
    REDIS_URL: 'redis://127.0.0.1:1',
    AUTH_SIGNING_KEYS: await generateSigningKeys(),
    AUTH_TOKEN_SECRET: 'only to print the contracts, never to serve',
  });
  const deps = await openDeps(config, createLog('docs', 'silent'));
  try {
    const app = await buildApp(deps);
    const response = await app.inject('/v1/openapi.json');
    await app.close();
    if (response.statusCode !== 200) throw new Error(`the API answered ${response.statusCode}: ${response.body}`);
    return `${JSON.stringify(response.json(), null, 2)}\n`;
  } finally {
    await closeDeps(deps);
  }
}

function printErrors(): string {
  const rows = Object.entries(ERROR_CATALOG).map(
    ([code, { status, message }]) => `| ${status} | \`${code}\` | ${message} |`,
  );
  return `# Error codes

Printed from \`packages/shared/src/errors.ts\` by \`npm run docs\`. Every answer from 400 up is
\`{ "code", "message", "requestId", "details"? }\`. Programs decide by \`code\`; \`message\` is for people, and may be more
precise than the sentence here. \`requestId\` is also the \`x-request-id\` header and a field of each log line.

| status | code | message |
| --- | --- | --- |
${rows.join('\n')}
`;
}
