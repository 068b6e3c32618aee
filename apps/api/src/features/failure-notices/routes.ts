import * as contracts from '@millrace/shared/contracts/failure-notices';
import type { FastifyInstance } from 'fastify';
import type { Deps } from '../../deps.ts';
import { route } from '../../http/route.ts';
import { getSettings, putSettings, rotateSecret } from './service.ts';
import { sendTestNotice } from './test-notice.ts';

export function serveFailureNotices(app: FastifyInstance, deps: Deps): void {
  route(app, deps, contracts.getFailureNotices, (context) => getSettings(context));
  route(app, deps, contracts.putFailureNotices, (context, { body }) => putSettings(context, body));
  route(app, deps, contracts.rotateFailureNoticeSecret, (context) => rotateSecret(context));
  route(app, deps, contracts.testFailureNotice, (context) => sendTestNotice(context));
}
