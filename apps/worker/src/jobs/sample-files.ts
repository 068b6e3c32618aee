import { ActionError, type Files } from '@millrace/connectors/sdk';
import { newId } from '@millrace/shared/ids';

/** Files in the test of a step: what it receives is counted and thrown away, and there is none to read. */
export function openSampleFiles(maxBytes: number): Files {
  return {
    write: async (content, { name, contentType }) => {
      let sizeBytes = 0;
      for await (const part of content) {
        sizeBytes += part.length;
        if (sizeBytes > maxBytes)
          throw new ActionError('OUTPUT_TOO_LARGE', `The file is larger than ${maxBytes} bytes.`);
      }
      return { $file: newId(), name, contentType, sizeBytes };
    },
    read: async () => {
      throw new ActionError('FILE_NOT_FOUND', 'The test of a step has no files of a run to read.');
    },
  };
}
