'use client';
import { Download } from 'lucide-react';
import { sayBytes } from '../../lib/bytes.ts';
import { Button } from '../../ui/button.tsx';
import { Failure } from '../../ui/failure.tsx';
import { LazyTree } from './lazy-tree.tsx';
import { filesIn, type ValuePlace } from './stored-values.ts';
import type { RunAddress } from './use-run.ts';
import { useRunFile, useRunValue } from './use-run-value.ts';

interface RunValueProps {
  address: RunAddress;
  place: ValuePlace;
  /** As the run was read: the value, or the mark of a large one. */
  value: unknown;
}

/** The input or output of a run or a step, with the files it stands for. */
export function RunValue({ address, place, value: given }: RunValueProps) {
  const { value, sizeBytes, isThere, error, isReading, read } = useRunValue(address, place, given);
  const title = place.field === 'input' ? 'Input' : 'Output';
  const label = place.stepId === undefined ? `${title} of the run` : `${title} of ${place.stepId}`;
  return (
    <section aria-label={label} className="grid min-w-0 content-start gap-1.5">
      <h3 className="text-xs font-medium text-muted">{place.stepId === undefined ? label : title}</h3>
      {error ? <Failure error={error} onRetry={read} /> : null}
      {isThere ? (
        <LazyTree label={label} value={value} />
      ) : (
        <div className="flex flex-wrap items-center justify-between gap-3 rounded-lg border border-line bg-sunken px-3 py-2 text-[0.8125rem] text-muted">
          A large value of {sayBytes(sizeBytes ?? 0)}.
          <Button look="secondary" size="sm" isBusy={isReading} onClick={read}>
            Show it
          </Button>
        </div>
      )}
      {isThere ? <Files address={address} value={value} label={label} /> : null}
    </section>
  );
}

function Files({ address, value, label }: { address: RunAddress; value: unknown; label: string }) {
  const download = useRunFile(address);
  const files = filesIn(value);
  if (files.length === 0) return null;
  return (
    <ul aria-label={`Files in ${label}`} className="grid gap-1.5">
      {files.map((file) => (
        <li
          key={file.id}
          className="flex min-w-0 items-center gap-3 rounded-lg border border-line px-3 py-1.5 text-[0.8125rem]"
        >
          <span className="min-w-0 flex-1 truncate">{file.name}</span>
          <span className="shrink-0 text-muted">{file.sizeBytes === null ? null : sayBytes(file.sizeBytes)}</span>
          <Button
            look="secondary"
            size="sm"
            aria-label={`Download ${file.name}`}
            isBusy={download.busyWith?.id === file.id}
            onClick={() => download.start(file)}
          >
            <Download aria-hidden /> Download
          </Button>
        </li>
      ))}
    </ul>
  );
}
