'use client';
import { Braces, Download, Ellipsis, History, Upload } from 'lucide-react';
import { useRef } from 'react';
import { Button } from '../../ui/button.tsx';
import { Menu, MenuItem, MenuSeparator } from '../../ui/menu.tsx';
import { useEditorTools } from './editor-context.tsx';
import { exportDocument, importDocument } from './files.ts';
import { sayRefusal } from './use-editor.ts';

export function EditorMenu({ isReadOnly }: { isReadOnly: boolean }) {
  const { workflow, store } = useEditorTools();
  const file = useRef<HTMLInputElement>(null);
  return (
    <>
      <Menu
        trigger={
          <Button look="ghost" size="icon" aria-label="More actions" className="size-8">
            <Ellipsis aria-hidden />
          </Button>
        }
      >
        <MenuItem onSelect={() => store.session({ type: 'panel', panel: 'json' })}>
          <Braces aria-hidden /> Show as JSON
        </MenuItem>
        <MenuItem onSelect={() => store.session({ type: 'panel', panel: 'versions' })}>
          <History aria-hidden /> Versions
        </MenuItem>
        <MenuSeparator />
        <MenuItem onSelect={() => exportDocument(workflow.name, store.document())}>
          <Download aria-hidden /> Export a file
        </MenuItem>
        {isReadOnly ? null : (
          <MenuItem onSelect={() => file.current?.click()}>
            <Upload aria-hidden /> Import a file
          </MenuItem>
        )}
      </Menu>
      <input
        ref={file}
        type="file"
        accept="application/json,.json"
        aria-label="File to import"
        tabIndex={-1}
        className="sr-only"
        onChange={async ({ target }) => {
          const [chosen] = target.files ?? [];
          if (chosen) sayRefusal(await importDocument(store, chosen));
          target.value = '';
        }}
      />
    </>
  );
}
