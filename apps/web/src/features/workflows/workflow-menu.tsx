'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { Copy, Ellipsis, PenLine, Power, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/confirm.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { Menu, MenuItem, MenuSeparator } from '../../ui/menu.tsx';
import { useOrganization } from '../organizations/use-organization.ts';
import { useWorkflowActions } from './use-workflow.ts';

interface WorkflowMenuProps {
  workflow: Workflow;
  onRename: (name: string) => void;
}

export function WorkflowMenu({ workflow, onRename }: WorkflowMenuProps) {
  const { can } = useOrganization();
  const { setEnabled, duplicate, remove } = useWorkflowActions(workflow.id);
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null);
  const [name, setName] = useState(workflow.name);
  const close = () => setDialog(null);
  return (
    <>
      <Menu
        trigger={
          <Button look="ghost" size="icon" aria-label="More actions">
            <Ellipsis aria-hidden />
          </Button>
        }
      >
        <MenuItem onSelect={() => setDialog('rename')}>
          <PenLine aria-hidden /> Rename
        </MenuItem>
        <MenuItem onSelect={() => duplicate.start()}>
          <Copy aria-hidden /> Duplicate
        </MenuItem>
        {can('workflow:publish') && workflow.status === 'published' ? (
          <MenuItem onSelect={() => setEnabled.start(!workflow.isEnabled)}>
            <Power aria-hidden /> {workflow.isEnabled ? 'Turn off' : 'Turn on'}
          </MenuItem>
        ) : null}
        <MenuSeparator />
        <MenuItem isDanger onSelect={() => setDialog('delete')}>
          <Trash2 aria-hidden /> Delete
        </MenuItem>
      </Menu>
      <Dialog title="Rename" isOpen={dialog === 'rename'} onOpenChange={(open) => (open ? undefined : close())}>
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault();
            close();
            onRename(name);
          }}
        >
          <TextField
            label="Name"
            required
            maxLength={120}
            value={name}
            onChange={({ target }) => setName(target.value)}
          />
          <div className="flex justify-end">
            <Button type="submit">Rename</Button>
          </div>
        </form>
      </Dialog>
      <Confirm
        title={`Delete ${workflow.name}?`}
        about="Its versions and runs are deleted with it, for good."
        action="Delete workflow"
        isOpen={dialog === 'delete'}
        isBusy={remove.isBusy}
        onConfirm={() => remove.start()}
        onClose={close}
      />
    </>
  );
}
