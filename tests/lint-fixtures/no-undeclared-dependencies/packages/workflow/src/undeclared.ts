import { openQueue } from '@millrace/queue/queue';

export const open = openQueue;
