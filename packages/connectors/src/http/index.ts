import { defineConnector } from '../sdk.ts';
import { httpRequest } from './request.ts';

export const http = defineConnector({
  id: 'http',
  version: '1.0.0',
  displayName: 'HTTP',
  description: 'Calls any HTTP server.',
  actions: [httpRequest],
});
