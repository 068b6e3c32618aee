import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import type { Deps } from './deps.ts';
import { serveApiKeys } from './features/api-keys/routes.ts';
import { serveAudit } from './features/audit/routes.ts';
import { serveAuth } from './features/auth/routes.ts';
import { serveFailureNotices } from './features/failure-notices/routes.ts';
import { serveHookAddresses } from './features/hooks/addresses.ts';
import { serveHooks } from './features/hooks/routes.ts';
import { serveInvitations } from './features/invitations/routes.ts';
import { serveMe } from './features/me/routes.ts';
import { serveOAuth } from './features/oauth/routes.ts';
import { serveOrganizations } from './features/organizations/routes.ts';
import { serveRetention } from './features/retention/routes.ts';
import { serveRunLimits } from './features/run-limits/routes.ts';
import { serveRuns } from './features/runs/routes.ts';
import { serveSteps } from './features/steps/routes.ts';
import { serveVariables } from './features/variables/routes.ts';
import { serveWorkflows } from './features/workflows/routes.ts';
import { MAX_BODY_BYTES } from './http/body-limit.ts';
import { endConnectionsOnClose } from './http/connections.ts';
import { answerError } from './http/errors.ts';
import { setHeaders } from './http/headers.ts';
import { serveHealth } from './http/health.ts';
import { acceptOnlyJson } from './http/json-body.ts';
import { refuseOtherMethods } from './http/methods.ts';
import { observeRequests } from './http/observe.ts';
import { serveOpenApi, serveOpenApiDocument } from './http/openapi.ts';
import { serveReference } from './http/reference.ts';
import { answerUnreadable } from './http/unreadable.ts';
import { compileValidator } from './http/validate.ts';

/** To receive a whole request: a body that trickles in must not hold one open for ever. */
const REQUEST_TIMEOUT_MS = 30_000;

/** The whole API on top of `deps`, ready for `listen` or `inject`. */
export async function buildApp(deps: Deps): Promise<FastifyInstance> {
  const app = Fastify({
    // Only our events tell what happens; of the framework's own lines, only its errors.
    loggerInstance: deps.log.child({}, { level: 'error' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // the events say what matters
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: trustedProxies(deps.config.TRUST_PROXY),
    genReqId: () => newId(), // never the client's: an id in our logs must be ours
    routerOptions: { maxParamLength: 1000 }, // the longest key of a step
    clientErrorHandler: answerUnreadable,
    return503OnClosing: false, // a request that still reached us is answered; see endConnectionsOnClose
    frameworkErrors: (error, request, reply) => {
      answerError(error, request as FastifyRequest, reply as FastifyReply);
    },
  });
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(() => {
    throw new AppError('NOT_FOUND');
  });
  endConnectionsOnClose(app);
  observeRequests(app, deps);
  acceptOnlyJson(app);
  await setHeaders(app, deps.config);
  await serveOpenApi(app);
  serveReference(app);
  const refuseMethods = refuseOtherMethods(app);
  serveFeatures(app, deps);
  await serveHookAddresses(app, deps);
  refuseMethods();
  await app.ready();
  return app;
}

function serveFeatures(app: FastifyInstance, deps: Deps): void {
  serveHealth(app, deps);
  serveOpenApiDocument(app);
  serveAuth(app, deps);
  serveOAuth(app, deps);
  serveMe(app, deps);
  serveOrganizations(app, deps);
  serveInvitations(app, deps);
  serveApiKeys(app, deps);
  serveAudit(app, deps);
  serveVariables(app, deps);
  serveRunLimits(app, deps);
  serveFailureNotices(app, deps);
  serveRetention(app, deps);
  serveWorkflows(app, deps);
  serveHooks(app, deps);
  serveSteps(app, deps);
  serveRuns(app, deps);
}

/** Nobody is believed unless told so: a client could otherwise choose its own address for limits and logs. */
function trustedProxies(setting: number | string[] | undefined) {
  if (typeof setting !== 'number') return setting ?? false;
  return (_address: string, hop: number) => hop < setting;
}
