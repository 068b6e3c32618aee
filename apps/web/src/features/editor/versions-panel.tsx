'use client';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Failure } from '../../ui/failure.tsx';
import { More } from '../../ui/list.tsx';
import { Badge, SkeletonRows } from '../../ui/surfaces.tsx';
import { Time } from '../../ui/time.tsx';
import { useVersion } from '../workflows/use-version.ts';
import { DiffView } from './diff-view.tsx';
import { useEditorTools } from './editor-context.tsx';
import { printDocument } from './print-document.ts';
import { useVersions } from './use-versions.ts';

/** What was published, newest first. A published version never changes; restored, it becomes the draft again. */
export function VersionsPanel({ isReadOnly }: { isReadOnly: boolean }) {
  const { workflow } = useEditorTools();
  const { items: versions, error, hasMore, isReadingMore, readMore, restore } = useVersions();
  const [compared, setCompared] = useState<number | null>(null);
  if (error) return <Failure error={error} />;
  if (!versions)
    return (
      <div className="p-4">
        <SkeletonRows count={3} />
      </div>
    );
  if (versions.length === 0) return <p className="p-4 text-sm text-muted">Nothing is published yet.</p>;
  return (
    <div className="grid gap-3 pb-4">
      <ul aria-label="Versions" className="divide-y divide-line">
        {versions.map(({ version, note, createdAt }) => (
          <li key={version} className="grid gap-1.5 px-4 py-3">
            <div className="flex items-center gap-2 text-[0.8125rem]">
              <span className="font-semibold">Version {version}</span>
              {version === workflow.version ? <Badge tone="info">Published</Badge> : null}
              <span className="ml-auto text-xs text-muted">
                <Time at={createdAt} />
              </span>
            </div>
            {note ? <p className="text-[0.8125rem] break-words text-muted">{note}</p> : null}
            <div className="flex gap-1.5">
              <Button
                look="secondary"
                size="sm"
                onClick={() => setCompared(version)}
                aria-label={`Compare version ${version}`}
              >
                Compare
              </Button>
              {isReadOnly ? null : (
                <Button
                  look="ghost"
                  size="sm"
                  isBusy={restore.busyWith === version}
                  onClick={() => restore.start(version)}
                  aria-label={`Restore version ${version}`}
                >
                  Restore
                </Button>
              )}
            </div>
          </li>
        ))}
      </ul>
      <More hasMore={hasMore} isBusy={isReadingMore} onMore={readMore} />
      <Dialog
        title={`Version ${compared ?? ''} and the draft`}
        about="What the draft has and this version has not is marked as added."
        isOpen={compared !== null}
        onOpenChange={() => setCompared(null)}
      >
        {compared === null ? null : <Comparison version={compared} />}
      </Dialog>
    </div>
  );
}

function Comparison({ version }: { version: number }) {
  const { document, workflow } = useEditorTools();
  const { data, error } = useVersion(workflow.id, version);
  if (error) return <Failure error={error} />;
  if (!data) return <SkeletonRows count={2} />;
  return (
    <DiffView
      label={`Version ${version} and the draft`}
      before={printDocument(data.dsl)}
      after={printDocument(document)}
    />
  );
}
