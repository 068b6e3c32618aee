import { readFileSync } from 'node:fs';
import { AppError } from '@millrace/shared/errors';
import { z } from 'zod';

export const ALLOWED = [readFileSync, AppError, z];
