'use client';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { DiffView } from './diff-view.tsx';
import { useEditorTools } from './editor-context.tsx';
import { printDocument } from './print-document.ts';

/** Somebody else saved meanwhile: one of the two stays, by choice of whoever comes second. */
export function ConflictDialog() {
  const { saving, document, session, store } = useEditorTools();
  const [isCompared, setCompared] = useState(false);
  const { theirs, takeTheirs, keepMine } = saving;
  return (
    <Dialog
      title="Somebody else saved meanwhile"
      about="Your changes are still here and nothing is lost yet. Choose which of the two stays."
      isOpen={theirs !== null && session.isSettling}
      onOpenChange={(isOpen) => store.session({ type: 'settle', isOpen })}
    >
      {isCompared && theirs ? (
        <DiffView
          label="Their document with your changes"
          before={printDocument(theirs.dsl)}
          after={printDocument(document)}
        />
      ) : null}
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="ghost" aria-expanded={isCompared} onClick={() => setCompared(!isCompared)}>
          {isCompared ? 'Hide difference' : 'See difference'}
        </Button>
        <Button look="danger" onClick={takeTheirs}>
          Take theirs
        </Button>
        <Button onClick={keepMine}>Keep mine</Button>
      </div>
    </Dialog>
  );
}
