import { createHmac, timingSafeEqual } from 'node:crypto';
import { toUuidText, uuidBytes } from './ids.ts';
import { deriveKey } from './sealing.ts';

/**
 * The addresses of steps that wait for a call. An address names its step and proves that a program of this installation
 * gave it out: no table holds it, and nobody can make the one of another step.
 */

export interface WaitingStep {
  orgId: string;
  runId: string;
  stepKey: string;
}

const PURPOSE = 'millrace resume token v1';
const UUID_BYTES = 16;
/** Two ids and a MAC of 256 bits, as base64url. */
const TOKEN = /^[A-Za-z0-9_-]{86}$/;

/** What the program that serves the addresses and those that give them out must share. */
export interface ResumeSettings {
  RESUME_TOKEN_KEY?: string | undefined;
  AUTH_TOKEN_SECRET?: string | undefined;
}

/** For a program that must not know the secret itself, since it could make every other token with it. */
export function resumeKeyText(authTokenSecret: string): string {
  return deriveKey(authTokenSecret, PURPOSE).toString('base64url');
}

/** Undefined when no setting has one. */
export function resumeKeyOf({ RESUME_TOKEN_KEY, AUTH_TOKEN_SECRET }: ResumeSettings): Buffer | undefined {
  const text = RESUME_TOKEN_KEY ?? (AUTH_TOKEN_SECRET && resumeKeyText(AUTH_TOKEN_SECRET));
  return text ? Buffer.from(text) : undefined;
}

/** `baseUrl` is the address people open. */
export function resumeUrl(key: Buffer, baseUrl: string, step: WaitingStep): string {
  const token = Buffer.concat([uuidBytes(step.orgId), uuidBytes(step.runId), macOf(key, step)]).toString('base64url');
  return `${baseUrl.replace(/(?<!\/)\/+$/, '')}/v1/hooks/resume/${token}/${step.stepKey}`;
}

/** The step that the two last parts of an address name; undefined unless this key made them. */
export function readResumeToken(key: Buffer, token: string, stepKey: string): WaitingStep | undefined {
  const bytes = Buffer.from(token, 'base64url');
  // Text that is decoded alike is no second token.
  if (!TOKEN.test(token) || bytes.toString('base64url') !== token) return undefined;
  const orgId = toUuidText(bytes.subarray(0, UUID_BYTES));
  const runId = toUuidText(bytes.subarray(UUID_BYTES, 2 * UUID_BYTES));
  const step = { orgId, runId, stepKey };
  return timingSafeEqual(bytes.subarray(2 * UUID_BYTES), macOf(key, step)) ? step : undefined;
}

function macOf(key: Buffer, { orgId, runId, stepKey }: WaitingStep): Buffer {
  return createHmac('sha256', key).update(`${orgId}:${runId}:${stepKey}`).digest();
}
