'use client';
import { callApi } from '../../lib/call-api.ts';
import { LOG_OUT } from '../../lib/routes.ts';
import { sayError } from '../../lib/say-error.ts';
import { announceSignOut } from '../../lib/session.ts';
import { toast } from '../../ui/toast-store.ts';

export function useSignOut() {
  return async () => {
    try {
      await callApi(LOG_OUT, {});
    } catch (error) {
      // The session may still count: nobody should walk away from this machine believing that it ended.
      toast(sayError(error), 'danger');
      return;
    }
    announceSignOut();
    // A new document: nothing of what this person saw stays in memory.
    window.location.replace('/sign-in');
  };
}
