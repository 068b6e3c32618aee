'use client';
import type { RunFilter } from '@millrace/shared/contracts/runs';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Failure } from '../../ui/failure.tsx';
import { type BulkKind, sayCount } from './bulk.ts';
import { useBulkRuns } from './use-bulk-runs.ts';

interface BulkDialogProps {
  kind: BulkKind;
  filter: RunFilter;
  isFiltered: boolean;
  onClose: () => void;
}

const WORDS = {
  cancel: { title: 'Cancel runs', verb: 'Cancel', about: 'Every run that has not ended is cancelled.' },
  retry: {
    title: 'Retry runs',
    verb: 'Retry',
    about: 'Every failed or cancelled run that was not retried yet goes on in a new run.',
  },
};

/** All runs of a filter at once: counted first, done when somebody says so. */
export function BulkDialog({ kind, filter, isFiltered, onClose }: BulkDialogProps) {
  const { count, error, recount, progress, start } = useBulkRuns(kind, filter);
  const words = WORDS[kind];
  return (
    <Dialog
      title={words.title}
      about={isFiltered ? `${words.about} Only those that the filter shows.` : words.about}
      isOpen
      onOpenChange={(open) => (open || progress ? undefined : onClose())}
    >
      {error ? <Failure error={error} onRetry={recount} /> : null}
      <p role="status" className="text-sm">
        {progress ? `${sayCount(progress.done)} so far …` : null}
        {!progress && count === undefined && !error ? 'Counting …' : null}
        {!progress && count !== undefined ? `This is about ${sayCount(count)}.` : null}
      </p>
      <div className="flex justify-end gap-2">
        <Button look="secondary" disabled={progress !== null} onClick={onClose}>
          Leave them
        </Button>
        <Button
          look={kind === 'cancel' ? 'danger' : 'primary'}
          disabled={!count}
          isBusy={progress !== null}
          onClick={async () => {
            if (await start()) onClose();
          }}
        >
          {words.verb} {count ? sayCount(count) : 'them'}
        </Button>
      </div>
    </Dialog>
  );
}
