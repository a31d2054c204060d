SELECT source, author, change_note, create_time FROM policy WHERE tenant = $1 AND desk = $2 AND revision = $3
