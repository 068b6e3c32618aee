import { z } from 'zod';

export const VALUE = 1;
